# What every target is compiled with: GNU extensions of libc, warnings, sanitizers.

add_compile_definitions(_GNU_SOURCE)

# Linked by every target whose sources are ours; generated sources go without.
add_library(netc_warnings INTERFACE)
target_compile_options(netc_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion)

if(NETC_SANITIZE)
    add_compile_options(-fsanitize=${NETC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${NETC_SANITIZE})
endif()
