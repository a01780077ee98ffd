add_test(NAME layering COMMAND sh ${CMAKE_SOURCE_DIR}/tests/layering/layering.sh)
set(objects "RUNTIME=$<TARGET_FILE:xent_runtime>;EMBED_OBJECT=$<TARGET_FILE:embed_object>")
set_tests_properties(layering PROPERTIES ENVIRONMENT
  "XENTC=$<TARGET_FILE:xentc>;SOURCE=${CMAKE_SOURCE_DIR};${objects}")
