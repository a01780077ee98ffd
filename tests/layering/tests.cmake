add_test(NAME layering COMMAND sh ${CMAKE_SOURCE_DIR}/tests/layering/layering.sh)
set_tests_properties(layering PROPERTIES ENVIRONMENT
  "XENTC=$<TARGET_FILE:xentc>;SOURCE=${CMAKE_SOURCE_DIR};RUNTIME=$<TARGET_FILE:xent_runtime>;EMBED_OBJECT=$<TARGET_FILE:embed_object>")
