// SPDX-License-Identifier: Apache-2.0
// Cairn for C++17 and later: values over the handles of cairn.h, which says all about threads,
// lifetimes and what each call does. Nothing here throws but where memory for a std::string is
// lacking; what can fail returns a Result.
//
//   auto model = cairn::Model::Open("smollm2");
//   if (!model) return Complain(model.error().message);
//   auto engine = cairn::Engine::Open(*model);
#ifndef CAIRN_CAIRN_HPP_
#define CAIRN_CAIRN_HPP_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/cairn.h"

namespace cairn {
inline namespace v0 {

struct Error {
  cairn_status code = CAIRN_OK;
  std::string message;
};

// A value or an Error. Like std::expected<T, Error>, which C++17 lacks.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}
  Result(Error error) : held_(std::move(error)) {}

  explicit operator bool() const { return has_value(); }
  bool has_value() const { return held_.index() == 0; }
  // Require has_value().
  T& operator*() & { return *std::get_if<0>(&held_); }
  const T& operator*() const& { return *std::get_if<0>(&held_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&held_)); }
  T* operator->() { return std::get_if<0>(&held_); }
  const T* operator->() const { return std::get_if<0>(&held_); }
  // Requires !has_value().
  const Error& error() const { return *std::get_if<1>(&held_); }

 private:
  std::variant<T, Error> held_;
};

struct Done {};  // the value of what only works or fails

namespace detail {

template <typename T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* handle) const { kFree(handle); }
};
template <typename T, void (*kFree)(T*)>
using Handle = std::unique_ptr<T, Freer<T, kFree>>;

inline Error Take(cairn_status code, cairn_error* error) {
  Error taken{code, error != nullptr ? cairn_error_message(error) : cairn_status_name(code)};
  cairn_error_free(error);
  return taken;
}

// Calls `body(&error)`; the Error, if it failed.
template <typename Body>
std::optional<Error> Try(Body body) {
  cairn_error* error = nullptr;
  const cairn_status code = body(&error);
  if (code == CAIRN_OK) return std::nullopt;
  return Take(code, error);
}

// Reads a list whose length is not known: asks, makes room, asks again where it has grown.
template <typename List, typename Body>
Result<List> ReadList(std::size_t guess, Body body) {
  List list(guess, {});
  for (;;) {
    std::size_t count = 0;
    if (auto error =
            Try([&](cairn_error** e) { return body(list.data(), list.size(), &count, e); }))
      return *std::move(error);
    const bool fits = count <= list.size();
    list.resize(count);
    if (fits) return list;
  }
}

}  // namespace detail

// Options with their defaults.
inline cairn_model_options ModelOptions() {
  cairn_model_options o;
  cairn_model_options_init(&o, sizeof(o));
  return o;
}
inline cairn_engine_options EngineOptions() {
  cairn_engine_options o;
  cairn_engine_options_init(&o, sizeof(o));
  return o;
}
inline cairn_generate_options GenerateOptions() {
  cairn_generate_options o;
  cairn_generate_options_init(&o, sizeof(o));
  return o;
}
inline cairn_embedder_options EmbedderOptions() {
  cairn_embedder_options o;
  cairn_embedder_options_init(&o, sizeof(o));
  return o;
}
inline cairn_embed_options EmbedOptions() {
  cairn_embed_options o;
  cairn_embed_options_init(&o, sizeof(o));
  return o;
}

// A model of the folder; `path` is empty where it is known and not fetched yet.
struct ListedModel {
  std::string name;
  std::string path;
  std::uint64_t bytes = 0;
};

inline Result<std::vector<ListedModel>> ListModels(
    const cairn_model_options& options = ModelOptions()) {
  std::vector<ListedModel> list;
  const auto add = [](void* user, const char* name, const char* path, std::uint64_t bytes) {
    static_cast<std::vector<ListedModel>*>(user)->push_back(
        {name, path == nullptr ? "" : path, bytes});
  };
  if (auto error =
          detail::Try([&](cairn_error** e) { return cairn_list(&options, add, &list, e); }))
    return *std::move(error);
  return list;
}

// Receives the bytes that have come and all of them (0: not known).
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Makes sure that the model of a short name is in the folder.
inline Result<Done> Pull(const std::string& name, const Progress& progress = {},
                         const cairn_model_options& options = ModelOptions()) {
  const auto call = [](void* user, std::uint64_t done, std::uint64_t total) {
    (*static_cast<const Progress*>(user))(done, total);
  };
  if (auto error = detail::Try([&](cairn_error** e) {
        return cairn_pull(name.c_str(), &options, progress ? +call : nullptr,
                          const_cast<Progress*>(&progress), e);
      }))
    return *std::move(error);
  return Done{};
}

using Tokens = std::vector<std::int32_t>;

// Ends what it was given to. Set in GenerateOptions as `options.cancel = cancel.get()`.
class Cancel {
 public:
  Cancel() {
    cairn_cancel* made = nullptr;
    if (cairn_cancel_new(&made, nullptr) == CAIRN_OK) handle_.reset(made);
  }
  void Request() { cairn_cancel_request(handle_.get()); }  // from any thread or signal handler
  bool requested() const { return cairn_cancel_requested(handle_.get()) != 0; }
  void Reset() { cairn_cancel_reset(handle_.get()); }
  cairn_cancel* get() const { return handle_.get(); }

 private:
  detail::Handle<cairn_cancel, cairn_cancel_free> handle_;
};

class Model {
 public:
  static Result<Model> Open(const std::string& name,
                            const cairn_model_options& options = ModelOptions()) {
    cairn_model* made = nullptr;
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_model_open(name.c_str(), &options, &made, e); }))
      return *std::move(error);
    return Model(made);
  }

  cairn_model_info info() const {
    cairn_model_info info{};
    info.size = sizeof(info);
    cairn_model_describe(get(), &info, nullptr);
    return info;
  }
  Result<Tokens> Tokenize(std::string_view text, std::uint32_t flags = CAIRN_ADD_SPECIAL) const {
    return detail::ReadList<Tokens>(
        text.size() / 2 + 8, [&](auto* to, auto room, auto* count, auto** e) {
          return cairn_tokenize(get(), text.data(), text.size(), flags, to, room, count, e);
        });
  }
  Result<std::string> Detokenize(const Tokens& tokens, bool special = false) const {
    return detail::ReadList<std::string>(
        tokens.size() * 4, [&](auto* to, auto room, auto* count, auto** e) {
          return cairn_detokenize(get(), tokens.data(), tokens.size(), special ? 1 : 0, to, room,
                                  count, e);
        });
  }
  bool Ends(std::int32_t token) const { return cairn_token_ends(get(), token) != 0; }
  cairn_model* get() const { return handle_.get(); }

 private:
  explicit Model(cairn_model* made) : handle_(made) {}
  detail::Handle<cairn_model, cairn_model_free> handle_;
};

struct Answer {
  std::string text;
  Tokens tokens;
  int reason = CAIRN_MAX_TOKENS;
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;
  double prompt_seconds = 0;
  double answer_seconds = 0;
};

// Receives text as it is made; false: stop here.
using Sink = std::function<bool(std::string_view)>;

namespace detail {

inline Result<Answer> TakeAnswer(cairn_answer* handle) {
  const Handle<cairn_answer, cairn_answer_free> owned(handle);
  cairn_answer_info info{};
  info.size = sizeof(info);
  if (auto error = Try([&](cairn_error** e) { return cairn_answer_describe(handle, &info, e); }))
    return *std::move(error);
  return Answer{std::string(info.text, info.length),
                Tokens(info.tokens, info.tokens + info.token_count),
                info.reason,
                info.prompt_tokens,
                info.reused_tokens,
                info.prompt_seconds,
                info.answer_seconds};
}

inline std::int32_t CallSink(void* user, const char* text, std::size_t length) {
  return (*static_cast<const Sink*>(user))(std::string_view(text, length)) ? 0 : 1;
}

}  // namespace detail

struct Event {
  int kind = CAIRN_NOTHING;
  int choice = 0;
  std::string_view text;  // until the request's next call
};

// Answers on their way.
class Request {
 public:
  explicit Request(cairn_request* made) : handle_(made) {}
  // See cairn_request_next.
  Result<Event> Next(std::int64_t milliseconds = -1) {
    cairn_event event{};
    event.size = sizeof(event);
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_request_next(get(), milliseconds, &event, e); }))
      return *std::move(error);
    return Event{event.kind, event.choice, std::string_view(event.text, event.length)};
  }
  // Waits for the end; texts that were not read are in the answer.
  Result<Answer> Wait(int choice = 0) {
    for (;;) {
      auto event = Next();
      if (!event) return event.error();
      if (event->kind == CAIRN_ENDED) break;
    }
    cairn_answer* answer = nullptr;
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_request_answer(get(), choice, &answer, e); }))
      return *std::move(error);
    return detail::TakeAnswer(answer);
  }
  void Cancel() { cairn_request_cancel(get(), nullptr); }
  cairn_request* get() const { return handle_.get(); }

 private:
  detail::Handle<cairn_request, cairn_request_free> handle_;
};

class Engine {
 public:
  static Result<Engine> Open(const Model& model,
                             const cairn_engine_options& options = EngineOptions()) {
    cairn_engine* made = nullptr;
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_engine_open(model.get(), &options, &made, e); }))
      return *std::move(error);
    return Engine(made);
  }

  cairn_engine_info info() const {
    cairn_engine_info info{};
    info.size = sizeof(info);
    cairn_engine_describe(get(), &info, nullptr);
    return info;
  }
  Result<Answer> Generate(const Tokens& prompt,
                          const cairn_generate_options& options = GenerateOptions(),
                          const Sink& sink = {}) const {
    cairn_answer* answer = nullptr;
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_generate(get(), prompt.data(), prompt.size(), &options,
                                sink ? detail::CallSink : nullptr, const_cast<Sink*>(&sink),
                                &answer, e);
        }))
      return *std::move(error);
    return detail::TakeAnswer(answer);
  }
  Result<Request> Submit(const Tokens& prompt,
                         const cairn_generate_options& options = GenerateOptions()) const {
    cairn_request* made = nullptr;
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_submit(get(), prompt.data(), prompt.size(), &options, &made, e);
        }))
      return *std::move(error);
    return Request(made);
  }
  // One step; false: nothing to do.
  Result<bool> Step() const {
    std::int32_t worked = 0;
    if (auto error =
            detail::Try([&](cairn_error** e) { return cairn_engine_step(get(), &worked, e); }))
      return *std::move(error);
    return worked != 0;
  }
  cairn_engine* get() const { return handle_.get(); }

 private:
  explicit Engine(cairn_engine* made) : handle_(made) {}
  detail::Handle<cairn_engine, cairn_engine_free> handle_;
};

class Chat {
 public:
  // Empty texts: no instructions, the model's own template.
  static Result<Chat> Open(const Engine& engine, const std::string& system = {},
                           const std::string& chat_template = {}) {
    cairn_chat* made = nullptr;
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_chat_open(engine.get(), system.c_str(),
                                 chat_template.empty() ? nullptr : chat_template.c_str(), &made, e);
        }))
      return *std::move(error);
    return Chat(made);
  }

  Result<Done> Add(const std::string& role, const std::string& content) {
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_chat_add(get(), role.c_str(), content.c_str(), e);
        }))
      return *std::move(error);
    return Done{};
  }
  void Clear() { cairn_chat_clear(get(), nullptr); }
  Result<Tokens> PromptTokens() const {
    return detail::ReadList<Tokens>(256, [&](auto* to, auto room, auto* count, auto** e) {
      return cairn_chat_tokens(get(), to, room, count, e);
    });
  }
  Result<Answer> Ask(const std::string& question, const Sink& sink = {},
                     const cairn_generate_options& options = GenerateOptions()) {
    cairn_answer* answer = nullptr;
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_chat_ask(get(), question.c_str(), &options,
                                sink ? detail::CallSink : nullptr, const_cast<Sink*>(&sink),
                                &answer, e);
        }))
      return *std::move(error);
    return detail::TakeAnswer(answer);
  }
  Result<Request> Submit(const std::string& question,
                         const cairn_generate_options& options = GenerateOptions()) {
    cairn_request* made = nullptr;
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_chat_submit(get(), question.c_str(), &options, &made, e);
        }))
      return *std::move(error);
    return Request(made);
  }
  cairn_chat* get() const { return handle_.get(); }

 private:
  explicit Chat(cairn_chat* made) : handle_(made) {}
  detail::Handle<cairn_chat, cairn_chat_free> handle_;
};

class Sequence {
 public:
  static Result<Sequence> Open(const Engine& engine) {
    cairn_sequence* made = nullptr;
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_sequence_open(engine.get(), &made, e); }))
      return *std::move(error);
    return Sequence(made);
  }

  std::int64_t length() const { return cairn_sequence_length(get()); }
  // `logits` has room for rows times the vocabulary.
  Result<Done> Append(const Tokens& tokens, float* logits, std::size_t rows,
                      const Cancel* cancel = nullptr) {
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_sequence_append(get(), tokens.data(), tokens.size(), logits, rows,
                                       cancel == nullptr ? nullptr : cancel->get(), e);
        }))
      return *std::move(error);
    return Done{};
  }
  Result<Done> Truncate(std::int64_t length) {
    if (auto error =
            detail::Try([&](cairn_error** e) { return cairn_sequence_truncate(get(), length, e); }))
      return *std::move(error);
    return Done{};
  }
  cairn_sequence* get() const { return handle_.get(); }

 private:
  explicit Sequence(cairn_sequence* made) : handle_(made) {}
  detail::Handle<cairn_sequence, cairn_sequence_free> handle_;
};

using Texts = std::vector<std::string>;

namespace detail {

// Texts as the C interface takes them; of a list that outlives it.
struct TextList {
  explicit TextList(const Texts& texts) {
    for (const std::string& text : texts) {
      data.push_back(text.data());
      lengths.push_back(text.size());
    }
  }
  std::vector<const char*> data;
  std::vector<std::size_t> lengths;
};

}  // namespace detail

// Texts to embeddings, documents to scores.
class Embedder {
 public:
  static Result<Embedder> Open(const Model& model,
                               const cairn_embedder_options& options = EmbedderOptions()) {
    cairn_embedder* made = nullptr;
    if (auto error = detail::Try(
            [&](cairn_error** e) { return cairn_embedder_open(model.get(), &options, &made, e); }))
      return *std::move(error);
    return Embedder(made);
  }

  cairn_embedder_info info() const {
    cairn_embedder_info info{};
    info.size = sizeof(info);
    cairn_embedder_describe(get(), &info, nullptr);
    return info;
  }
  // `values` has room for a row of options.dimensions, or info().width, values for each text.
  Result<Done> Embed(const Texts& texts, float* values,
                     const cairn_embed_options& options = EmbedOptions()) const {
    const detail::TextList list(texts);
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_embed(get(), list.data.data(), list.lengths.data(), texts.size(), &options,
                             values, e);
        }))
      return *std::move(error);
    return Done{};
  }
  // The rows one after the other.
  Result<std::vector<float>> Embed(const Texts& texts,
                                   const cairn_embed_options& options = EmbedOptions()) const {
    const auto width =
        static_cast<std::size_t>(options.dimensions > 0 ? options.dimensions : info().width);
    std::vector<float> values(texts.size() * width);
    auto done = Embed(texts, values.data(), options);
    if (!done) return done.error();
    return values;
  }
  // A score for each document.
  Result<std::vector<double>> Rerank(const std::string& query, const Texts& documents,
                                     const cairn_embed_options& options = EmbedOptions()) const {
    const detail::TextList list(documents);
    std::vector<double> scores(documents.size());
    if (auto error = detail::Try([&](cairn_error** e) {
          return cairn_rerank(get(), query.data(), query.size(), list.data.data(),
                              list.lengths.data(), documents.size(), &options, scores.data(), e);
        }))
      return *std::move(error);
    return scores;
  }
  cairn_embedder* get() const { return handle_.get(); }

 private:
  explicit Embedder(cairn_embedder* made) : handle_(made) {}
  detail::Handle<cairn_embedder, cairn_embedder_free> handle_;
};

}  // namespace v0
}  // namespace cairn

#endif  // CAIRN_CAIRN_HPP_
