if(TARGET xent_llvm)
  xent_unit_test(loops xent_llvm xent_kernel Threads::Threads)
endif()
