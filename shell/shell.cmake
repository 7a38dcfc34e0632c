# Manual pages and completions, for netc and for the trainers: templates filled from each program's own table of options.

set(shell_dir ${CMAKE_CURRENT_LIST_DIR})
set(shell_out ${CMAKE_BINARY_DIR}/shell)
file(MAKE_DIRECTORY ${shell_out})
add_library(shell_writers STATIC ${shell_dir}/cli.c ${shell_dir}/man.c ${shell_dir}/bash.c ${shell_dir}/zsh.c ${shell_dir}/fish.c ${shell_dir}/fill.c)
target_compile_definitions(shell_writers PRIVATE NETC_VERSION="${PROJECT_VERSION}")
target_link_libraries(shell_writers PRIVATE netc_warnings)

# fill_NAME fills what is about the program NAME; the tables are those of the libraries that it is linked with.
function(add_fill name)
    add_executable(fill_${name} ${shell_dir}/${name}.c)
    set_target_properties(fill_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
    target_link_libraries(fill_${name} PRIVATE shell_writers netc_warnings ${ARGN})
endfunction()
add_fill(netc netc_core)
add_fill(trainer nrt)

# What is installed under the name of `command` is about the program NAME.
function(add_shell_files name command)
    set(outputs)
    foreach(file ${command}.1=${command}.1.in ${command}.bash=completion.bash.in _${command}=completion.zsh.in ${command}.fish=completion.fish.in)
        string(REPLACE = ";" pair ${file})
        list(GET pair 0 output)
        list(GET pair 1 template)
        add_custom_command(OUTPUT ${shell_out}/${output}
            COMMAND fill_${name} ${shell_dir}/${template} ${shell_out}/${output}
            DEPENDS fill_${name} ${shell_dir}/${template}
            VERBATIM)
        list(APPEND outputs ${shell_out}/${output})
    endforeach()
    add_custom_target(shell_${name} ALL DEPENDS ${outputs})
    install(FILES ${shell_out}/${command}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${shell_out}/${command}.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${command})
    install(FILES ${shell_out}/_${command} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${shell_out}/${command}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endfunction()
add_shell_files(netc netc)
add_shell_files(trainer netc-trainer)
