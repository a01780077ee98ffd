xent_unit_test(ops xent_passes xent_build xent_abi)
target_sources(test_ops PRIVATE
  ${CMAKE_SOURCE_DIR}/tests/golden/golden.c ${CMAKE_SOURCE_DIR}/tests/golden/golden_passes.c)
target_include_directories(test_ops PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden)
