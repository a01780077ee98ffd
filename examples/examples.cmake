# The programs that embed the library, built as a user would build them.
add_executable(embed examples/embed.c)
target_link_libraries(embed PRIVATE xent xent_runtime)

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/mlp.o
                   COMMAND xentc ${CMAKE_SOURCE_DIR}/examples/mlp.net --emit=obj -o ${CMAKE_BINARY_DIR}/mlp.o
                   DEPENDS xentc ${CMAKE_SOURCE_DIR}/examples/mlp.net VERBATIM)
add_executable(embed_object examples/embed_object.c ${CMAKE_BINARY_DIR}/mlp.o)
target_link_libraries(embed_object PRIVATE xent_runtime)
