xent_unit_test(lang xent_lang)
