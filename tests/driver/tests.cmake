xent_unit_test(driver xent xent_runtime)
