# The language: lexer and parser are generated into the build tree.
find_package(FLEX REQUIRED)
find_package(BISON 3.8 REQUIRED)

set(lang_build ${CMAKE_BINARY_DIR}/lang)
file(MAKE_DIRECTORY ${lang_build})
bison_target(net_parser ${CMAKE_SOURCE_DIR}/lang/parser.y ${lang_build}/parser.c DEFINES_FILE ${lang_build}/parser.h
             COMPILE_FLAGS "-Wall -Werror")
flex_target(net_lexer ${CMAKE_SOURCE_DIR}/lang/lexer.l ${lang_build}/lexer.c)
add_flex_bison_dependency(net_lexer net_parser)

file(GLOB lang_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lang/*.c)
add_library(xent_lang STATIC ${lang_sources} ${BISON_net_parser_OUTPUTS} ${FLEX_net_lexer_OUTPUTS})
target_include_directories(xent_lang PUBLIC ${CMAKE_SOURCE_DIR}/lang PRIVATE ${lang_build})
target_link_libraries(xent_lang PUBLIC xent_support)
set_target_properties(xent_lang PROPERTIES POSITION_INDEPENDENT_CODE ON)
# What flex writes compares signed with unsigned and holds functions that nobody calls.
set_source_files_properties(${lang_build}/lexer.c PROPERTIES COMPILE_OPTIONS "-Wno-sign-compare;-Wno-unused-function")
# Bison counts errors for those who ask.
set_source_files_properties(${lang_build}/parser.c PROPERTIES COMPILE_OPTIONS "-Wno-unused-but-set-variable")
