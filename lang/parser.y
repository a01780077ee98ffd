/* The grammar of `.net`, LALR(1) without conflicts. White space separates words and means nothing else. No word of the
 * grammar names an op. Words of sections (net, model, data, train) may name values, the words that begin an item of
 * the model may not; as names of arguments and keys all are free. Semantic values live in the arena, so that nothing
 * needs a destructor and running out of memory may jump out of the parser at any time. */
%require "3.8"
%define api.pure full
%define api.prefix {net_}
%define api.location.type {struct span}
%define api.value.type union
%define parse.error custom
%define lr.default-reduction consistent /* so that an error is seen, and its alternatives named, before any reduction */
%locations
%expect 0
%param {struct parse_context *ctx}

%code requires {
#include "parse.h"
}

%code provides {
int net_lex(NET_STYPE *value, NET_LTYPE *span, struct parse_context *ctx); /* tokens.c */
}

%code {
static void net_error(const struct span *span, struct parse_context *ctx, const char *message);

#define YYMALLOC(size) arena_alloc(ctx->arena, (size))
#define YYFREE(p) ((void)(p))
#define YYLLOC_DEFAULT(current, rhs, n)                                                                                \
    ((current) = (n) ? span_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))                                                   \
                     : (struct span){YYRHSLOC(rhs, 0).file, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end})

/* In the action of an `error` rule: reading goes on where the next item, setting or section begins. */
#define RECOVER(where)                                                                                                 \
    do {                                                                                                               \
        ctx->recovery = (where);                                                                                       \
        if (yychar != NET_EOF && yychar != NET_EMPTY) {                                                                \
            if (recovery_reached(ctx, yychar))                                                                         \
                ctx->recovery = RECOVERED;                                                                             \
            else                                                                                                       \
                yyclearin;                                                                                             \
            yyerrok;                                                                                                   \
        }                                                                                                              \
    } while (0)
#define NO_WORD ((struct word){0})
#define NEW_LIST(type) ARENA_NEW(ctx->arena, struct type)
#define PUSH(list, ...) vec_push(ctx->arena, &(list)->v, __VA_ARGS__)
}

%token NET_EOF 0 "the end of the file"
%token BEGIN_FILE "a file" BEGIN_VALUE "a value alone"
%token <const char *> NAME "a name" NET "net" MODEL "model" DATA "data" TRAIN "train"
%token <const char *> INPUT "input" TARGET "target" OUTPUT "output" LOSS "loss" METRIC "metric"
%token <const char *> AS "as" TRUE_WORD "true" FALSE_WORD "false"
%token <struct ast_number *> NUMBER "a number"
%token <const char *> STRING "a string"
%token PIPE "|>" LBRACE "{" RBRACE "}" LPAREN "(" RPAREN ")" LBRACKET "[" RBRACKET "]"
%token COMMA "," COLON ":" EQUALS "=" MINUS "-"

%type <struct word> name word label
%type <struct item_list *> items
%type <struct setting_list *> settings
%type <struct ast_setting> setting
%type <struct ast_expr *> expr primary stage value literal
%type <struct arg_list *> args arguments
%type <struct ast_arg> argument
%type <struct expr_list *> list expressions
%type <struct ast_type> type
%type <struct dim_list *> dims
%type <struct ast_dim> dim
%type <struct ast_number *> number

%%

start: BEGIN_FILE version sections
     | BEGIN_VALUE value                    { ctx->value = $value; }

version: NET NUMBER                         { set_version(ctx, @$, $NUMBER);
                                              if (ctx->stopped)
                                                  YYABORT; }
       | %empty                             { set_version(ctx, ctx->current, NULL); }

sections: %empty
        | sections section

section: MODEL name "{" items "}"           { set_model(ctx, @MODEL, @$, $name, $items); }
       | MODEL error "{" items "}"
       | DATA "{" settings "}"              { set_section(ctx, @DATA, @$, &ctx->ast->data, $settings); }
       | DATA error "{" settings "}"
       | TRAIN "{" settings "}"             { set_section(ctx, @TRAIN, @$, &ctx->ast->train, $settings); }
       | TRAIN error "{" settings "}"
       | error                              { RECOVER(TO_SECTION); }

items: %empty                               { $$ = NEW_LIST(item_list); }
     | items INPUT name ":" type            { $$ = add_declaration(ctx, $1, AST_INPUT, span_join(@2, @5), $3, $5); }
     | items TARGET name ":" type           { $$ = add_declaration(ctx, $1, AST_TARGET, span_join(@2, @5), $3, $5); }
     | items name "=" expr                  { $$ = add_item(ctx, $1, AST_BINDING, span_join(@2, @4), $2, $4); }
     | items OUTPUT expr                    { $$ = add_item(ctx, $1, AST_OUTPUT, span_join(@2, @3), NO_WORD, $3); }
     | items LOSS expr                      { $$ = add_item(ctx, $1, AST_LOSS, span_join(@2, @3), NO_WORD, $3); }
     | items METRIC expr                    { $$ = add_item(ctx, $1, AST_METRIC, span_join(@2, @3), NO_WORD, $3); }
     | items MODEL name "{" items "}"       { $$ = $1; misplaced_section(ctx, @MODEL, $MODEL); }
     | items DATA "{" settings "}"          { $$ = $1; misplaced_section(ctx, @DATA, $DATA); }
     | items TRAIN "{" settings "}"         { $$ = $1; misplaced_section(ctx, @TRAIN, $TRAIN); }
     | items error                          { $$ = $1; RECOVER(TO_ITEM); }

type: NAME "[" dims "]"                     { $$ = make_type(ctx, @$, (struct word){$NAME, @NAME}, $dims); }

dims: dim                                   { $$ = NEW_LIST(dim_list); PUSH($$, $dim); }
    | dims "," dim                          { $$ = $1; PUSH($$, $dim); }

dim: number                                 { $$ = make_dim(ctx, @$, $number); }

settings: %empty                            { $$ = NEW_LIST(setting_list); }
        | settings setting                  { $$ = $1; PUSH($$, $setting); }
        | settings error                    { $$ = $1; RECOVER(TO_SETTING); }

setting: word "=" value                     { $$ = (struct ast_setting){$word.name, $word.span, @$, $value}; }

/* A value of a section is the result of no op: no pipes, no labels. */
value: literal
     | name                                 { $$ = make_name(ctx, $name); }
     | name args                            { $$ = make_call(ctx, @$, $name, $args, NO_WORD); }

expr: primary
    | expr "|>" stage                       { $$ = make_piped(ctx, $1, $stage); }

stage: name label                           { $$ = make_call(ctx, @$, $name, NEW_LIST(arg_list), $label); }
     | name args label                      { $$ = make_call(ctx, @$, $name, $args, $label); }

primary: literal
       | name                               { $$ = make_name(ctx, $name); }
       | name args label                    { $$ = make_call(ctx, @$, $name, $args, $label); }
       | "(" expr ")"                       { $$ = $expr; }

label: %empty                               { $$ = NO_WORD; }
     | AS name                              { $$ = $name; }

literal: number                             { $$ = make_number(ctx, @$, $number); }
       | STRING                             { $$ = make_string(ctx, @$, $STRING); }
       | TRUE_WORD                          { $$ = make_bool(ctx, @$, true); }
       | FALSE_WORD                         { $$ = make_bool(ctx, @$, false); }
       | list                               { $$ = make_list(ctx, @$, $list); }

number: NUMBER
      | "-" NUMBER                          { $$ = make_negative(ctx, $NUMBER); }

list: "[" "]"                               { $$ = NEW_LIST(expr_list); }
    | "[" expressions "]"                   { $$ = $expressions; }
    | "[" expressions "," "]"               { $$ = $expressions; }

expressions: expr                           { $$ = NEW_LIST(expr_list); PUSH($$, $expr); }
           | expressions "," expr           { $$ = $1; PUSH($$, $expr); }

args: "(" ")"                               { $$ = NEW_LIST(arg_list); }
    | "(" arguments ")"                     { $$ = $arguments; }
    | "(" arguments "," ")"                 { $$ = $arguments; }

arguments: argument                         { $$ = NEW_LIST(arg_list); add_arg(ctx, $$, $argument); }
         | arguments "," argument           { $$ = $1; add_arg(ctx, $$, $argument); }

argument: expr                              { $$ = (struct ast_arg){.span = @$, .value = $expr}; }
        | word "=" expr                     { $$ = (struct ast_arg){$word.name, $word.span, @$, $expr}; }

name: NAME                                  { $$ = (struct word){$1, @1}; }
    | NET                                   { $$ = (struct word){$1, @1}; }
    | MODEL                                 { $$ = (struct word){$1, @1}; }
    | DATA                                  { $$ = (struct word){$1, @1}; }
    | TRAIN                                 { $$ = (struct word){$1, @1}; }

word: NAME                                  { $$ = (struct word){$1, @1}; }
    | NET                                   { $$ = (struct word){$1, @1}; }
    | MODEL                                 { $$ = (struct word){$1, @1}; }
    | DATA                                  { $$ = (struct word){$1, @1}; }
    | TRAIN                                 { $$ = (struct word){$1, @1}; }
    | INPUT                                 { $$ = (struct word){$1, @1}; }
    | TARGET                                { $$ = (struct word){$1, @1}; }
    | OUTPUT                                { $$ = (struct word){$1, @1}; }
    | LOSS                                  { $$ = (struct word){$1, @1}; }
    | METRIC                                { $$ = (struct word){$1, @1}; }
    | AS                                    { $$ = (struct word){$1, @1}; }
    | TRUE_WORD                             { $$ = (struct word){$1, @1}; }
    | FALSE_WORD                            { $$ = (struct word){$1, @1}; }

%%

static int yyreport_syntax_error(const yypcontext_t *context, struct parse_context *ctx)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; i++)
        names[i] = yysymbol_name(kinds[i]);
    syntax_error(ctx, names, count > 0 ? (size_t)count : 0, yysymbol_name(yypcontext_token(context)));
    return 0;
}

/* Called only when the parser's stack is exhausted, which the limit on open brackets forestalls. */
static void net_error(const struct span *span, struct parse_context *ctx, const char *message)
{
    diag_error(ctx->diags, *span, "the text is nested too deeply (%s)", message);
}
