xent_layer(xent_kernel compiler/kernel xent_support xent_abi)
