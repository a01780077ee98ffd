xent_unit_test(driver xent xent_runtime)
set_tests_properties(unit.driver PROPERTIES ENVIRONMENT "XDG_CACHE_HOME=${CMAKE_BINARY_DIR}/tests-cache")
