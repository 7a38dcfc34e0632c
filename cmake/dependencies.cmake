# What must be installed (scripts/lib.sh installs it on Debian): LLVM 19, flex, bison, zlib, libpng, libjpeg, threads;
# mimalloc, without which compiling takes longer; Check for the tests.

find_package(BISON 3.8 REQUIRED)
find_package(FLEX 2.6 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG 1.6 REQUIRED)
find_package(JPEG REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/cmake /usr/lib/llvm-19/lib/cmake/llvm)
if(NOT TARGET LLVM)
    message(FATAL_ERROR "LLVM ${LLVM_VERSION} in ${LLVM_DIR} has no shared library (libLLVM)")
endif()
# The library itself, not a link to it in LLVM's own folder: where it lies with the system's libraries, netc needs no path to it.
get_target_property(llvm_library LLVM LOCATION)
file(REAL_PATH ${llvm_library} llvm_library)
add_library(netc_llvm INTERFACE)
target_include_directories(netc_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_link_libraries(netc_llvm INTERFACE ${llvm_library})

# LLVM makes and frees so many small blocks that glibc's malloc takes a good part of a compilation (docs/performance.md). Not under sanitizers, which have their own.
if(NOT NETC_SANITIZE)
    find_package(mimalloc 2.0 QUIET)
    if(NOT mimalloc_FOUND)
        message(STATUS "mimalloc is not installed (libmimalloc-dev): netc allocates with libc's malloc and takes longer to compile")
    endif()
endif()

if(BUILD_TESTING)
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
endif()
