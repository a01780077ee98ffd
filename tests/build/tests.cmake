xent_unit_test(build xent_build)
target_sources(test_build PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden/golden.c)
target_include_directories(test_build PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden)
