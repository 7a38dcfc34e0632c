# The end-to-end tests: bash scripts that compile networks with the netc of this build, run the trainers and judge what they do.

foreach(tool weights losses arrays)
    add_executable(compare_${tool} ${CMAKE_CURRENT_LIST_DIR}/compare_${tool}.c)
    set_target_properties(compare_${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
    target_link_libraries(compare_${tool} PRIVATE netc_warnings m)
endforeach()

add_executable(make_picture ${CMAKE_CURRENT_LIST_DIR}/make_picture.c)
set_target_properties(make_picture PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
target_link_libraries(make_picture PRIVATE PNG::PNG JPEG::JPEG netc_warnings)

foreach(name layers book nets lenet_steps edge texts trainer threads resume signals bad_data bad_output environment install images cifar10
        synthetic learning figures)
    add_test(NAME e2e_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh)
    set_tests_properties(e2e_${name} PROPERTIES
        LABELS e2e
        ENVIRONMENT "NETC=$<TARGET_FILE:netc>;TOOLS=${CMAKE_BINARY_DIR}/tools"
        SKIP_RETURN_CODE 77
        TIMEOUT 300)
endforeach()
# They use every core, or measure time.
set_tests_properties(e2e_synthetic e2e_learning e2e_figures PROPERTIES RUN_SERIAL ON)
