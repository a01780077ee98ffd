# libxent (the compiler library, everything from lang to llvm) and the command.
find_path(XENT_CJSON_INCLUDE cJSON.h PATH_SUFFIXES cjson)
find_library(XENT_CJSON cjson)
if(NOT XENT_CJSON OR NOT XENT_CJSON_INCLUDE)
  message(FATAL_ERROR "cJSON was not found: apt install libcjson-dev")
endif()

set(xent_layers xent_support xent_lang xent_ir xent_kernel xent_ops xent_build xent_passes xent_llvm)
foreach(layer ${xent_layers})
  list(APPEND xent_objects $<TARGET_OBJECTS:${layer}>) # one archive, so that a user links one
endforeach()
add_library(xent STATIC ${xent_objects}
  compiler/driver/code.c
  compiler/driver/compile.c
  compiler/driver/config.c
  compiler/driver/emit.c
  compiler/driver/model.c
  compiler/driver/places.c)
target_include_directories(xent PUBLIC compiler/include PRIVATE compiler/driver)
target_link_libraries(xent PUBLIC xent_abi xent_runtime PRIVATE xent_lang xent_build xent_passes xent_llvm)
set_target_properties(xent PROPERTIES POSITION_INDEPENDENT_CODE ON)

add_executable(xentc
  compiler/driver/bench_calls.c
  compiler/driver/bench_data.c
  compiler/driver/bench_machine.c
  compiler/driver/bench_print.c
  compiler/driver/bench_traffic.c
  compiler/driver/cmd_bench.c
  compiler/driver/cmd_cache.c
  compiler/driver/cmd_compile.c
  compiler/driver/cmd_eval.c
  compiler/driver/cmd_ops.c
  compiler/driver/cmd_opt.c
  compiler/driver/cmd_predict.c
  compiler/driver/cmd_run.c
  compiler/driver/cmd_train.c
  compiler/driver/common.c
  compiler/driver/dump.c
  compiler/driver/help.c
  compiler/driver/main.c
  compiler/driver/options.c
  compiler/driver/paths.c
  compiler/driver/program_data.c
  compiler/driver/program_limits.c
  compiler/driver/progress.c
  compiler/driver/reference.c
  compiler/driver/report.c
  compiler/driver/table.c)
target_include_directories(xentc PRIVATE compiler/driver ${XENT_CJSON_INCLUDE})
target_link_libraries(xentc PRIVATE xent xent_lang xent_build xent_passes xent_llvm xent_runtime ${XENT_CJSON} m)
set_target_properties(xentc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
# A position-dependent program has no relocations to do when it starts: with LLVM inside these would be 100,000.
target_link_options(xentc PRIVATE -no-pie -Wl,-O1 -Wl,--gc-sections)
# The cache of objects tells compilers apart by it.
target_link_options(xentc PRIVATE -Wl,--build-id=sha1)
# lld links the static LLVM in a second where ld needs ten.
find_program(XENT_LLD NAMES ld.lld HINTS /usr/lib/llvm-${XENT_LLVM}/bin /usr/lib/llvm-19/bin)
if(XENT_LLD AND NOT XENT_SANITIZE)
  get_filename_component(xent_lld_folder ${XENT_LLD} DIRECTORY)
  target_link_options(xentc PRIVATE -B${xent_lld_folder} -fuse-ld=lld)
endif()

include(GNUInstallDirs)
install(TARGETS xentc xent xent_runtime)
install(DIRECTORY compiler/include/xent runtime/include/xent DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
