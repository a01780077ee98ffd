xent_unit_test(support xent_support)
