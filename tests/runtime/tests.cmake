add_executable(test_runtime
  tests/runtime/main.c
  tests/runtime/toy.c
  tests/runtime/test_checkpoint.c
  tests/runtime/test_csv.c
  tests/runtime/test_idx.c
  tests/runtime/test_pace.c
  tests/runtime/test_pool.c
  tests/runtime/test_random.c
  tests/runtime/test_session.c
  tests/runtime/test_train.c)
target_include_directories(test_runtime PRIVATE tests/runtime runtime ${CUNIT_INCLUDE})
target_link_libraries(test_runtime PRIVATE xent_runtime ${CUNIT_LIBRARY} ZLIB::ZLIB m)
add_test(NAME unit.runtime COMMAND test_runtime)

if(COMMAND xent_fuzzer)
  foreach(reader csv idx safetensors)
    xent_fuzzer(fuzz_${reader} ${CMAKE_SOURCE_DIR}/tests/runtime/fuzz_${reader}.c xent_runtime
                SEEDS ${CMAKE_SOURCE_DIR}/tests/runtime/seeds/${reader})
  endforeach()
endif()
