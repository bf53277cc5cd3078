// SPDX-License-Identifier: Apache-2.0
// Models and their tokens (cairn.h).
#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "capi/handles.h"
#include "capi/structs.h"
#include "model/store.h"

namespace cairn::capi {
namespace {

constexpr std::size_t kModelOptionsV0 = 32;
constexpr std::size_t kModelInfoV0 = 72;

Result<model::ProgramUse> UseOf(std::int32_t embed) {
  using program::Pooling;
  switch (embed) {
    case CAIRN_EMBED_AS_MADE: return model::ProgramUse{};
    case CAIRN_EMBED_POOLED: return model::ProgramUse{.embed = true};
    case CAIRN_EMBED_MEAN: return model::ProgramUse{.embed = true, .pooling = Pooling::kMean};
    case CAIRN_EMBED_FIRST: return model::ProgramUse{.embed = true, .pooling = Pooling::kFirst};
    case CAIRN_EMBED_LAST: return model::ProgramUse{.embed = true, .pooling = Pooling::kLast};
    default:
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("embed is {}, expected a CAIRN_EMBED_ constant", embed));
  }
}

cairn_model_options Defaults() { return {.size = sizeof(cairn_model_options)}; }

Result<model::Store> OpenStore(const cairn_model_options& options) {
  model::StoreOptions store;
  store.folder =
      options.folder != nullptr
          ? std::string(options.folder)
          : OR_RETURN(model::ModelFolder(std::getenv("CAIRN_HOME"), std::getenv("XDG_CACHE_HOME"),
                                         std::getenv("HOME")));
  return model::Store(std::move(store));
}

Result<std::string> PathOf(const std::string& name, const cairn_model_options& options) {
  auto store = OpenStore(options);
  // Without a folder there are still paths.
  if (!store && name.find('/') != std::string::npos) return name;
  if (!store) return std::unexpected(std::move(store).error());
  model::Located located = OR_RETURN(store->Locate(name));
  if (located.missing == nullptr) return std::move(located.path);
  return Fail(
      ErrorCode::kNotFound,
      fmt::format("{} is not in the model folder {}; cairn_pull, or the command `cairn pull "
                  "{}`, fetches it",
                  name, store->folder(), name));
}

std::string PreTokenizerOf(const cairn_model_options& options) {
  const char* forced =
      options.pre_tokenizer != nullptr ? options.pre_tokenizer : std::getenv("CAIRN_PRE");
  return forced == nullptr ? "" : forced;
}

Result<cairn_model_options> Read(const cairn_model_options* options) {
  return ReadStruct("cairn_model_options", options, kModelOptionsV0, Defaults());
}

std::int32_t IdOf(const std::optional<std::int32_t>& token) { return token.value_or(-1); }

Result<std::vector<std::int32_t>> Encode(const cairn_model* model, const char* text,
                                         std::size_t length, std::uint32_t flags) {
  OR_RETURN(NeedPointer(model, "model"));
  if ((flags & ~std::uint32_t{CAIRN_ADD_SPECIAL | CAIRN_PARSE_SPECIAL}) != 0) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("flags {} has unknown bits", flags));
  }
  return model->model->tokenizer().Encode(OR_RETURN(NeedText(text, length, "text")),
                                          (flags & CAIRN_ADD_SPECIAL) != 0,
                                          (flags & CAIRN_PARSE_SPECIAL) != 0);
}

}  // namespace
}  // namespace cairn::capi

using namespace cairn;        // NOLINT(google-build-using-namespace): definitions of cairn.h
using namespace cairn::capi;  // NOLINT(google-build-using-namespace)

const char* cairn_version(void) { return CAIRN_LIBRARY_VERSION; }

void cairn_model_options_init(cairn_model_options* options, size_t size) {
  InitStruct(options, size, kModelOptionsV0, Defaults());
}

cairn_status cairn_model_open(const char* name, const cairn_model_options* options,
                              cairn_model** model, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(name, "name"));
    OR_RETURN(NeedPointer(model, "place for the model"));
    const cairn_model_options o = OR_RETURN(Read(options));
    const std::string path = OR_RETURN(PathOf(name, o));
    *model = new cairn_model{OR_RETURN(model::Model::Load(
        path, {.threads = o.threads, .pre = PreTokenizerOf(o), .use = OR_RETURN(UseOf(o.embed))}))};
    return {};
  });
}

void cairn_model_free(cairn_model* model) { delete model; }

cairn_status cairn_pull(const char* name, const cairn_model_options* options,
                        cairn_progress progress, void* user, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(name, "name"));
    const model::Store store = OR_RETURN(OpenStore(OR_RETURN(Read(options))));
    const model::CatalogueEntry* entry = store.FindEntry(name);
    if (entry == nullptr) {
      std::string known;
      for (const auto& one : store.catalogue()) {
        known += known.empty() ? "" : ", ";
        known += one.name;
      }
      return Fail(ErrorCode::kNotFound,
                  fmt::format("'{}' is no short name; there are: {}", name, known));
    }
    OR_RETURN(store.Pull(*entry, [&](const model::PullProgress& now) {
      if (progress != nullptr) progress(user, now.done, now.total);
    }));
    return {};
  });
}

cairn_status cairn_list(const cairn_model_options* options, cairn_model_sink sink, void* user,
                        cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(reinterpret_cast<const void*>(sink), "sink"));
    const model::Store store = OR_RETURN(OpenStore(OR_RETURN(Read(options))));
    const std::vector<model::StoredFile> files = OR_RETURN(store.List());
    for (const model::CatalogueEntry& entry : store.catalogue()) {
      const auto file = std::find_if(files.begin(), files.end(),
                                     [&](const auto& one) { return one.entry == &entry; });
      sink(user, std::string(entry.name).c_str(),
           file == files.end() ? nullptr : file->path.c_str(), entry.bytes);
    }
    for (const model::StoredFile& file : files) {
      if (file.entry == nullptr) sink(user, file.file.c_str(), file.path.c_str(), file.bytes);
    }
    return {};
  });
}

cairn_status cairn_model_describe(const cairn_model* model, cairn_model_info* info,
                                  cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(model, "model"));
    const model::Model& m = *model->model;
    const model::Vocabulary& vocabulary = m.tokenizer().vocabulary();
    const cairn_model_info filled{
        .size = sizeof(cairn_model_info),
        .path = m.path().c_str(),
        .architecture = m.architecture().c_str(),
        .chat_template = m.chat_template() ? m.chat_template()->c_str() : nullptr,
        .context = m.context_length(),
        .parameters = m.parameters(),
        .file_bytes = m.file_bytes(),
        .vocabulary = m.program().vocabulary,
        .tokens = m.tokenizer().size(),
        .begin_token = IdOf(vocabulary.bos),
        .end_token = IdOf(vocabulary.eos),
        .embeds = m.program().output == program::Output::kLogits ? 0 : 1,
    };
    return WriteStruct("cairn_model_info", info, kModelInfoV0, filled);
  });
}

cairn_status cairn_tokenize(const cairn_model* model, const char* text, size_t length,
                            uint32_t flags, int32_t* tokens, size_t capacity, size_t* count,
                            cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    return CopyOut(OR_RETURN(Encode(model, text, length, flags)), tokens, capacity, count);
  });
}

cairn_status cairn_detokenize(const cairn_model* model, const int32_t* tokens, size_t count,
                              int32_t special, char* text, size_t capacity, size_t* length,
                              cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(model, "model"));
    if (count > 0) OR_RETURN(NeedPointer(tokens, "list of tokens"));
    const std::string bytes = model->model->tokenizer().Decode({tokens, count}, special != 0);
    return CopyOut(bytes, text, capacity, length);
  });
}

int32_t cairn_token_ends(const cairn_model* model, int32_t token) {
  if (model == nullptr || token < 0 || token >= model->model->tokenizer().size()) return 0;
  return model->model->tokenizer().IsEndOfGeneration(token) ? 1 : 0;
}
