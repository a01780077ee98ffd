# What a training step must not do. The wraps count what the libraries of this project call themselves; sanitizers
# allocate and call the system as they like.
if(XENT_SANITIZE)
  return()
endif()
add_executable(test_step tests/step/test_step.c)
target_link_libraries(test_step PRIVATE xent xent_runtime)
foreach(function malloc calloc realloc free aligned_alloc mmap munmap pthread_mutex_lock)
  target_link_options(test_step PRIVATE "-Wl,--wrap=${function}")
endforeach()
add_test(NAME step.calls COMMAND test_step ${CMAKE_SOURCE_DIR}/examples/mlp.net ${CMAKE_SOURCE_DIR}/examples/lenet.net
         ${CMAKE_SOURCE_DIR}/bench/models/narrow.net ${CMAKE_SOURCE_DIR}/bench/models/online.net)
set_tests_properties(step.calls PROPERTIES ENVIRONMENT "XDG_CACHE_HOME=${CMAKE_BINARY_DIR}/tests-cache")
