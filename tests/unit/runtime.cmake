# Unit tests of the runtime. Each is a small executable of its own, linked with the runtime's library (main() comes from the test) and a
# network written by hand in the place of a compiled one.
set(runtime_dir ${CMAKE_CURRENT_LIST_DIR})

add_library(fake_model OBJECT ${runtime_dir}/fake_model.c)
target_link_libraries(fake_model PRIVATE nrt netc_warnings)
target_compile_options(fake_model PRIVATE -O3) # its loop for the machine's peak is to be one

foreach(name dataset idx npy safetensors loader init resize plot pool options synthetic rng json picture cifar images)
    add_executable(test_runtime_${name} ${runtime_dir}/test_runtime_${name}.c)
    target_link_libraries(test_runtime_${name} PRIVATE fake_model nrt PkgConfig::CHECK netc_warnings)
    target_link_options(test_runtime_${name} PRIVATE LINKER:-u,nrt_picture_reader) # as netc links trainers whose input is a picture
    target_compile_definitions(test_runtime_${name} PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    add_test(NAME runtime_${name} COMMAND test_runtime_${name})
    set_tests_properties(runtime_${name} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()

# The trainer from end to end, with the hand-written network.
add_executable(fake_trainer)
target_link_libraries(fake_trainer PRIVATE fake_model nrt)
foreach(kind synthetic other_cpu)
    add_executable(fake_trainer_${kind} ${runtime_dir}/fake_model.c)
    target_link_libraries(fake_trainer_${kind} PRIVATE nrt netc_warnings)
endforeach()
target_compile_definitions(fake_trainer_synthetic PRIVATE FAKE_DATA=NRT_SYNTHETIC)
target_compile_definitions(fake_trainer_other_cpu PRIVATE FAKE_FEATURES="sse2,amx-tile,no-such-feature")
set_target_properties(fake_trainer PROPERTIES LINKER_LANGUAGE C)
add_executable(test_runtime_trainer ${runtime_dir}/test_runtime_trainer.c)
target_link_libraries(test_runtime_trainer PRIVATE PkgConfig::CHECK netc_warnings ZLIB::ZLIB m)
target_compile_definitions(test_runtime_trainer PRIVATE TRAINER="$<TARGET_FILE:fake_trainer>"
    TRAINER_SYNTHETIC="$<TARGET_FILE:fake_trainer_synthetic>" TRAINER_OTHER_CPU="$<TARGET_FILE:fake_trainer_other_cpu>")
add_dependencies(test_runtime_trainer fake_trainer fake_trainer_synthetic fake_trainer_other_cpu)
add_test(NAME runtime_trainer COMMAND test_runtime_trainer)
set_tests_properties(runtime_trainer PROPERTIES LABELS unit TIMEOUT 120)
