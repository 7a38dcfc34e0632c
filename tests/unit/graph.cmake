# The graph: building, text, and every operator's rules.
add_executable(test_graph ${CMAKE_SOURCE_DIR}/tests/unit/test_graph.c)
target_link_libraries(test_graph PRIVATE netc_core netc_warnings PkgConfig::CHECK)
add_test(NAME graph COMMAND test_graph)

add_executable(test_ops ${CMAKE_SOURCE_DIR}/tests/ops/test_ops.c ${CMAKE_SOURCE_DIR}/tests/ops/op_cases.c)
target_link_libraries(test_ops PRIVATE netc_core netc_warnings PkgConfig::CHECK m)
add_test(NAME ops COMMAND test_ops)

add_executable(test_book ${CMAKE_SOURCE_DIR}/tests/ops/test_book.c ${CMAKE_SOURCE_DIR}/tests/ops/op_cases.c)
target_link_libraries(test_book PRIVATE netc_core netc_warnings PkgConfig::CHECK m)
target_compile_definitions(test_book PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
add_test(NAME book COMMAND test_book)

add_executable(test_winograd ${CMAKE_SOURCE_DIR}/tests/ops/test_winograd.c ${CMAKE_SOURCE_DIR}/tests/ops/op_cases.c)
target_link_libraries(test_winograd PRIVATE netc_core netc_warnings PkgConfig::CHECK m)
add_test(NAME winograd COMMAND test_winograd)

add_executable(test_rematerialize ${CMAKE_SOURCE_DIR}/tests/ops/test_rematerialize.c ${CMAKE_SOURCE_DIR}/tests/ops/kernel_run.c)
target_link_libraries(test_rematerialize PRIVATE netc_core netc_warnings PkgConfig::CHECK Threads::Threads m ${CMAKE_DL_LIBS})
set_target_properties(test_rematerialize PROPERTIES ENABLE_EXPORTS ON)
add_test(NAME rematerialize COMMAND test_rematerialize)

# Generated code against the evaluator. The loaded code calls back into the test: nrt_parallel_for.
add_executable(test_kernels ${CMAKE_SOURCE_DIR}/tests/ops/test_kernels.c ${CMAKE_SOURCE_DIR}/tests/ops/kernel_run.c)
target_link_libraries(test_kernels PRIVATE netc_core netc_warnings PkgConfig::CHECK Threads::Threads m ${CMAKE_DL_LIBS})
set_target_properties(test_kernels PROPERTIES ENABLE_EXPORTS ON)
foreach(case kernels winograd) # side by side
    add_test(NAME kernels_${case} COMMAND test_kernels)
    set_tests_properties(kernels_${case} PROPERTIES TIMEOUT 600 ENVIRONMENT CK_RUN_CASE=${case})
endforeach()

# Tests with the label `accuracy` are about numbers alone: the sanitizers' run leaves them out.
# How far Winograd's numbers are off, pass by pass; `test_winograd_errors --table` prints it.
add_executable(test_winograd_errors ${CMAKE_SOURCE_DIR}/tests/ops/test_winograd_errors.c ${CMAKE_SOURCE_DIR}/tests/ops/kernel_run.c)
target_link_libraries(test_winograd_errors PRIVATE netc_core netc_warnings PkgConfig::CHECK Threads::Threads m ${CMAKE_DL_LIBS})
set_target_properties(test_winograd_errors PROPERTIES ENABLE_EXPORTS ON)
add_test(NAME winograd_errors COMMAND test_winograd_errors)
set_tests_properties(winograd_errors PROPERTIES LABELS accuracy)

# Networks made from seeds, against the evaluator; four runs, so that they go side by side. `test_random FIRST COUNT` tries others.
add_library(random_net STATIC
    ${CMAKE_SOURCE_DIR}/tests/ops/random_net.c
    ${CMAKE_SOURCE_DIR}/tests/ops/random_generate.c
    ${CMAKE_SOURCE_DIR}/tests/ops/random_shrink.c
    ${CMAKE_SOURCE_DIR}/tests/ops/random_check.c
    ${CMAKE_SOURCE_DIR}/tests/ops/noise.c
    ${CMAKE_SOURCE_DIR}/tests/ops/noise_terms.c
    ${CMAKE_SOURCE_DIR}/tests/ops/noise_winograd.c
    ${CMAKE_SOURCE_DIR}/tests/ops/kernel_run.c)
target_link_libraries(random_net PUBLIC netc_core Threads::Threads m ${CMAKE_DL_LIBS} PRIVATE netc_warnings)
add_executable(test_random ${CMAKE_SOURCE_DIR}/tests/ops/test_random.c)
target_link_libraries(test_random PRIVATE random_net netc_warnings)
set_target_properties(test_random PROPERTIES ENABLE_EXPORTS ON)
foreach(first 1 51 101 151)
    add_test(NAME random_${first} COMMAND test_random ${first} 50)
    set_tests_properties(random_${first} PROPERTIES TIMEOUT 600)
endforeach()
set_tests_properties(random_51 random_101 random_151 PROPERTIES LABELS accuracy) # the compiler's memory has seen enough by then

add_executable(test_random_self ${CMAKE_SOURCE_DIR}/tests/ops/test_random_self.c)
target_link_libraries(test_random_self PRIVATE random_net netc_warnings PkgConfig::CHECK)
set_target_properties(test_random_self PROPERTIES ENABLE_EXPORTS ON)
add_test(NAME random_self COMMAND test_random_self)
set_tests_properties(random_self PROPERTIES TIMEOUT 300)

# What the page and the reader of measured times do with any bytes.
add_executable(test_html ${CMAKE_SOURCE_DIR}/tests/unit/test_html.c)
target_link_libraries(test_html PRIVATE netc_core netc_warnings PkgConfig::CHECK)
add_test(NAME html COMMAND test_html)
