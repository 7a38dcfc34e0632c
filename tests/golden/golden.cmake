# Golden tests of the compiler's text: diagnostics, trees, tokens, tables; and hostile inputs.
add_test(NAME golden COMMAND ${CMAKE_SOURCE_DIR}/tests/golden/run.sh $<TARGET_FILE:netc>)
add_test(NAME hostile COMMAND ${CMAKE_SOURCE_DIR}/tests/golden/hostile.sh $<TARGET_FILE:netc>)
set_tests_properties(golden hostile PROPERTIES TIMEOUT 600)
# Every message that the sources hold is said by one of them.
add_test(NAME golden_coverage COMMAND ${CMAKE_SOURCE_DIR}/tests/golden/coverage.sh)
