xent_unit_test(passes xent_passes xent_build)
target_sources(test_passes PRIVATE
  ${CMAKE_SOURCE_DIR}/tests/golden/golden.c ${CMAKE_SOURCE_DIR}/tests/golden/golden_passes.c)
target_include_directories(test_passes PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden)
xent_fuzzer(fuzz_passes fuzz_passes.c xent_passes SEEDS ${CMAKE_CURRENT_LIST_DIR}/cases)
