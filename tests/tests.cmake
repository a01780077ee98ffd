# Every module's tests register themselves in tests/<module>/tests.cmake.
find_library(CUNIT_LIBRARY cunit REQUIRED)
find_path(CUNIT_INCLUDE CUnit/Basic.h REQUIRED)

# xent_unit_test(module libraries...): all tests/<module>/*.c make one CUnit executable, the test unit.<module>.
function(xent_unit_test module)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${module}/*.c)
  add_executable(test_${module} ${sources} ${CMAKE_SOURCE_DIR}/tests/suites/suites.c)
  target_include_directories(test_${module} PRIVATE
    ${CMAKE_SOURCE_DIR}/tests/${module} ${CMAKE_SOURCE_DIR}/tests/suites ${CUNIT_INCLUDE})
  target_link_libraries(test_${module} PRIVATE ${ARGN} ${CUNIT_LIBRARY})
  target_compile_definitions(test_${module} PRIVATE XENT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME unit.${module} COMMAND test_${module})
endfunction()

include(tests/fuzz/tests.cmake)
file(GLOB module_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/tests.cmake)
list(REMOVE_ITEM module_tests ${CMAKE_SOURCE_DIR}/tests/fuzz/tests.cmake)
foreach(file ${module_tests})
  include(${file})
endforeach()
