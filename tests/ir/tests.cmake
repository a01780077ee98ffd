xent_unit_test(ir xent_ops)
target_sources(test_ir PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden/golden.c)
target_include_directories(test_ir PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden)
xent_fuzzer(fuzz_graph fuzz_graph.c xent_ops SEEDS ${CMAKE_CURRENT_LIST_DIR}/cases)
