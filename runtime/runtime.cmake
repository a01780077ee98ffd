# The runtime: no compiler, no LLVM, nothing of lang/.
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

add_library(xent_runtime STATIC
  runtime/cache.c
  runtime/checkpoint.c
  runtime/csv.c
  runtime/dataset.c
  runtime/error.c
  runtime/evaluate.c
  runtime/file.c
  runtime/idx.c
  runtime/number.c
  runtime/output.c
  runtime/pace.c
  runtime/pool.c
  runtime/random.c
  runtime/safetensors.c
  runtime/safetensors_header.c
  runtime/session.c
  runtime/source.c
  runtime/tensor.c
  runtime/train.c)
target_include_directories(xent_runtime PRIVATE runtime)
target_link_libraries(xent_runtime PUBLIC xent_abi PRIVATE ZLIB::ZLIB Threads::Threads m)
set_target_properties(xent_runtime PROPERTIES POSITION_INDEPENDENT_CODE ON)
