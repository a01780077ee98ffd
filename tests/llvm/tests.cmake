xent_unit_test(llvm xent_llvm)
target_include_directories(test_llvm SYSTEM PRIVATE ${XENT_LLVM_INCLUDE})
target_compile_definitions(test_llvm PRIVATE XENT_CC="${CMAKE_C_COMPILER}")
