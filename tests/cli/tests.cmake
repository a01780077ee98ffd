# The command, from outside: shell scripts that hold its status, words and files against what is expected.
add_executable(oracle_cases tests/cli/oracle_cases.c)
target_include_directories(oracle_cases PRIVATE ${XENT_CJSON_INCLUDE})
target_link_libraries(oracle_cases PRIVATE ${XENT_CJSON} m)

set(cli_tests usage model data numbers train bits roundtrip oracle cross_entropy embed bench cache schedules)
if(NOT XENT_SANITIZE) # the same assembly, for minutes
  list(APPEND cli_tests spills)
endif()
set(embeds "EMBED=$<TARGET_FILE:embed>;EMBED_OBJECT=$<TARGET_FILE:embed_object>")
foreach(name ${cli_tests})
  add_test(NAME cli.${name} COMMAND sh ${CMAKE_SOURCE_DIR}/tests/cli/${name}.sh)
  set_tests_properties(cli.${name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT
    "XENTC=$<TARGET_FILE:xentc>;SOURCE=${CMAKE_SOURCE_DIR};ORACLE_CASES=$<TARGET_FILE:oracle_cases>;${embeds}")
endforeach()
