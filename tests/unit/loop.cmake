# The loops, the emitter and the linker. Libraries that the tests compile and load call back into them: hence ENABLE_EXPORTS.
set(loop_test_sources
    loop ${CMAKE_SOURCE_DIR}/tests/unit/test_loop.c
    prefetch ${CMAKE_SOURCE_DIR}/tests/unit/test_prefetch.c
    stream_lines ${CMAKE_SOURCE_DIR}/tests/unit/test_stream_lines.c
    loop_emit ${CMAKE_SOURCE_DIR}/tests/unit/test_loop_emit.c
    link ${CMAKE_SOURCE_DIR}/tests/unit/test_link.c
    math ${CMAKE_SOURCE_DIR}/tests/ops/test_math.c)
while(loop_test_sources)
    list(POP_FRONT loop_test_sources name source)
    add_executable(test_${name} ${source} ${CMAKE_SOURCE_DIR}/tests/unit/loop_harness.c)
    target_link_libraries(test_${name} PRIVATE netc_core netc_warnings PkgConfig::CHECK m ${CMAKE_DL_LIBS})
    set_target_properties(test_${name} PROPERTIES ENABLE_EXPORTS ON)
    add_test(NAME ${name} COMMAND test_${name})
endwhile()
