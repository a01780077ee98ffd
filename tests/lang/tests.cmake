xent_unit_test(lang xent_lang)
target_sources(test_lang PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden/golden.c)
target_include_directories(test_lang PRIVATE ${CMAKE_SOURCE_DIR}/tests/golden)
