// SPDX-License-Identifier: Apache-2.0
// The binary interface, as programs that were compiled with version 0 expect it. A line that does
// not hold any more breaks them: members are added at the end of a struct, never moved.
#include "cairn/cairn.h"

#define CAIRN_AT(type, member, offset) \
  static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")

static_assert(sizeof(void*) == 8, "the sizes below are those of 64-bit machines");
static_assert(sizeof(cairn_model_options) == 32);
CAIRN_AT(cairn_model_options, folder, 8);
CAIRN_AT(cairn_model_options, pre_tokenizer, 16);
CAIRN_AT(cairn_model_options, threads, 24);
CAIRN_AT(cairn_model_options, embed, 28);
static_assert(sizeof(cairn_model_info) == 80);
CAIRN_AT(cairn_model_info, path, 8);
CAIRN_AT(cairn_model_info, chat_template, 24);
CAIRN_AT(cairn_model_info, context, 32);
CAIRN_AT(cairn_model_info, file_bytes, 48);
CAIRN_AT(cairn_model_info, vocabulary, 56);
CAIRN_AT(cairn_model_info, end_token, 68);
CAIRN_AT(cairn_model_info, embeds, 72);
static_assert(sizeof(cairn_engine_options) == 64);
CAIRN_AT(cairn_engine_options, isa, 8);
CAIRN_AT(cairn_engine_options, kv_memory, 24);
CAIRN_AT(cairn_engine_options, threads, 32);
CAIRN_AT(cairn_engine_options, sequences, 40);
CAIRN_AT(cairn_engine_options, propose, 56);
static_assert(sizeof(cairn_engine_info) == 64);
CAIRN_AT(cairn_engine_info, context, 16);
CAIRN_AT(cairn_engine_info, waiting, 48);
CAIRN_AT(cairn_engine_info, threads, 56);
static_assert(sizeof(cairn_generate_options) == 96);
CAIRN_AT(cairn_generate_options, max_tokens, 8);
CAIRN_AT(cairn_generate_options, stop, 16);
CAIRN_AT(cairn_generate_options, seed, 32);
CAIRN_AT(cairn_generate_options, cancel, 40);
CAIRN_AT(cairn_generate_options, temperature, 48);
CAIRN_AT(cairn_generate_options, top_k, 72);
CAIRN_AT(cairn_generate_options, no_cache, 92);
static_assert(sizeof(cairn_answer_info) == 80);
CAIRN_AT(cairn_answer_info, tokens, 24);
CAIRN_AT(cairn_answer_info, prompt_seconds, 56);
CAIRN_AT(cairn_answer_info, reason, 72);
static_assert(sizeof(cairn_event) == 32);
CAIRN_AT(cairn_event, text, 8);
CAIRN_AT(cairn_event, kind, 24);
CAIRN_AT(cairn_event, choice, 28);
static_assert(sizeof(cairn_embedder_options) == 32);
CAIRN_AT(cairn_embedder_options, context, 16);
CAIRN_AT(cairn_embedder_options, pinned, 28);
static_assert(sizeof(cairn_embedder_info) == 40);
CAIRN_AT(cairn_embedder_info, width, 24);
CAIRN_AT(cairn_embedder_info, threads, 32);
static_assert(sizeof(cairn_embed_options) == 48);
CAIRN_AT(cairn_embed_options, progress, 16);
CAIRN_AT(cairn_embed_options, dimensions, 32);
CAIRN_AT(cairn_embed_options, raw, 40);
