# The end-to-end tests: bash scripts that compile networks with the netc of this build, run the trainers and judge what they do.

set(e2e_dir ${CMAKE_CURRENT_LIST_DIR})
add_library(e2e_tools STATIC ${e2e_dir}/weights_file.c ${e2e_dir}/hashed.c)
target_link_libraries(e2e_tools PRIVATE netc_warnings PUBLIC m)
target_compile_options(e2e_tools PRIVATE -O2)
foreach(tool compare_weights compare_losses compare_arrays compare_sketches compare_initial make_hashed peak_memory)
    add_executable(${tool} ${e2e_dir}/${tool}.c)
    set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
    target_link_libraries(${tool} PRIVATE netc_warnings e2e_tools)
endforeach()

add_executable(make_picture ${CMAKE_CURRENT_LIST_DIR}/make_picture.c)
set_target_properties(make_picture PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
target_link_libraries(make_picture PRIVATE PNG::PNG JPEG::JPEG netc_warnings)

foreach(name layers book nets lenet_steps examples edge texts trainer threads resume signals bad_data bad_output diagnostics environment install images
        cifar10 memory nonfinite initial synthetic learning figures bench inner_loops predicted tune shell editors html ir debug)
    add_test(NAME e2e_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh)
    set_tests_properties(e2e_${name} PROPERTIES
        LABELS e2e
        ENVIRONMENT "NETC=$<TARGET_FILE:netc>;TOOLS=${CMAKE_BINARY_DIR}/tools"
        SKIP_RETURN_CODE 77
        TIMEOUT 300)
endforeach()
# They use every core, or measure time.
set_tests_properties(e2e_synthetic e2e_learning e2e_figures PROPERTIES RUN_SERIAL ON)
