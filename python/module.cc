// SPDX-License-Identifier: Apache-2.0
// The module cairn._cairn: the values of cairn.hpp for Python. What users call is python/cairn,
// which checks and names its arguments; this is what it needs of C++.
//
// Nothing here holds Python's lock while the engine works. Ctrl-C reaches Python because no call
// takes much longer than a step: waiting is cut into the milliseconds that the caller gives,
// Session.append looks for signals between its chunks, an Embedder between its steps.
// Threads: as cairn.h says of each.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cairn/cairn.hpp"

namespace nb = nanobind;
using namespace nb::literals;  // NOLINT(google-build-using-namespace): names of arguments

namespace {

constexpr std::size_t kChunk = 256;  // tokens of Session.append between two looks for signals

struct Raised {
  cairn::Error error;
};

template <typename T>
T Take(cairn::Result<T> result) {
  if (!result) throw Raised{result.error()};
  return *std::move(result);
}

void Refuse(const std::string& message) { throw Raised{{CAIRN_INVALID_ARGUMENT, message}}; }

// The library's texts end at a 0.
const std::string& WithoutZero(const std::string& text, const char* name) {
  if (text.find('\0') != std::string::npos) Refuse(std::string(name) + " holds a character 0");
  return text;
}

using TokenArray = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

cairn::Tokens ListOf(const TokenArray& tokens) {
  return {tokens.data(), tokens.data() + tokens.size()};
}

struct Options : cairn_generate_options {
  Options() : cairn_generate_options(cairn::GenerateOptions()) {}
  void SetStop(std::vector<std::string> texts) {
    for (const std::string& text : texts) WithoutZero(text, "a stop text");
    stops = std::move(texts);
  }
  // As the library wants them; valid until the next change.
  const cairn_generate_options& Ready() {
    pointers.clear();
    for (const std::string& text : stops) pointers.push_back(text.c_str());
    stop = pointers.data();
    stop_count = pointers.size();
    return *this;
  }
  std::vector<std::string> stops;
  std::vector<const char*> pointers;
};

// A tuple, so that what it becomes is said in one place (cairn/_answer.py).
nb::tuple AnswerTuple(const cairn::Answer& answer) {
  return nb::make_tuple(nb::str(answer.text.data(), answer.text.size()), answer.tokens,
                        answer.reason, answer.prompt_tokens, answer.reused_tokens,
                        answer.prompt_seconds, answer.answer_seconds);
}

class Session {
 public:
  Session(const cairn::Engine& engine, std::int64_t vocabulary)
      : sequence_(Take(cairn::Sequence::Open(engine))), vocabulary_(vocabulary) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    // It may wait for another thread's step, which may wait for Python.
    const nb::gil_scoped_release released;
    sequence_.reset();
  }

  std::int64_t length() const { return sequence_->length(); }
  void Truncate(std::int64_t length) {
    const nb::gil_scoped_release released;
    Take(sequence_->Truncate(length));
  }

  // Logits of the last tokens into the rows of `out`.
  void Append(const TokenArray& tokens, const Rows& out) {
    const std::size_t count = tokens.size();
    const std::size_t rows = out.shape(0);
    if (static_cast<std::int64_t>(out.shape(1)) != vocabulary_ || rows > count) {
      Refuse("out has the shape (" + std::to_string(rows) + ", " + std::to_string(out.shape(1)) +
             "), expected at most " + std::to_string(count) + " rows of " +
             std::to_string(vocabulary_));
    }
    const cairn::Tokens list = ListOf(tokens);
    const std::int64_t before = length();
    float* to = out.data();
    for (std::size_t at = 0; at < count; at += kChunk) {
      const std::size_t take = std::min(kChunk, count - at);
      const std::size_t first = std::max(at, count - rows);
      const std::size_t wanted = at + take > first ? at + take - first : 0;
      AppendChunk({list.begin() + static_cast<std::ptrdiff_t>(at),
                   list.begin() + static_cast<std::ptrdiff_t>(at + take)},
                  to, wanted, before);
      to += wanted * static_cast<std::size_t>(vocabulary_);
      if (PyErr_CheckSignals() == 0) continue;
      Truncate(before);
      throw nb::python_error();
    }
  }

 private:
  void AppendChunk(const cairn::Tokens& tokens, float* to, std::size_t rows, std::int64_t before) {
    const nb::gil_scoped_release released;
    auto done = sequence_->Append(tokens, to, rows);
    if (done) return;
    if (auto back = sequence_->Truncate(before); !back) throw Raised{back.error()};
    throw Raised{done.error()};
  }

  std::optional<cairn::Sequence> sequence_;
  std::int64_t vocabulary_;
};

// Looks for Ctrl-C between the steps of an Embedder, which works without Python's lock.
class Interrupt {
 public:
  void Watch(cairn_embed_options& options) {
    options.progress = Look;
    options.user = this;
    options.cancel = cancel_.get();
  }
  // With the lock: the exception of a signal handler, which goes before the call's own end.
  void Raise() const {
    if (raised_) throw nb::python_error();
  }

 private:
  static void Look(void* user, std::uint64_t, std::uint64_t) {
    auto& self = *static_cast<Interrupt*>(user);
    const nb::gil_scoped_acquire held;
    if (self.raised_ || PyErr_CheckSignals() == 0) return;
    self.raised_ = true;
    self.cancel_.Request();
  }

  cairn::Cancel cancel_;
  bool raised_ = false;  // and Python has the exception
};

cairn_embed_options EmbedOptionsOf(bool truncate) {
  cairn_embed_options options = cairn::EmbedOptions();
  options.truncate = truncate ? 1 : 0;
  return options;
}

// Calls `body` with the options, without Python's lock.
template <typename Body>
auto Watched(cairn_embed_options options, Body body) {
  Interrupt interrupt;
  interrupt.Watch(options);
  auto result = [&] {
    const nb::gil_scoped_release released;
    return body(options);
  }();
  interrupt.Raise();
  return Take(std::move(result));
}

// Embeddings of texts into the rows of `out`, as many values of each as it has columns.
void Embed(const cairn::Embedder& embedder, const cairn::Texts& texts, const Rows& out,
           bool truncate, bool raw) {
  const auto width = static_cast<std::size_t>(embedder.info().width);
  if (out.shape(0) != texts.size() || out.shape(1) < 1 || out.shape(1) > width) {
    Refuse("out has the shape (" + std::to_string(out.shape(0)) + ", " +
           std::to_string(out.shape(1)) + "), expected " + std::to_string(texts.size()) +
           " rows of 1 to " + std::to_string(width));
  }
  cairn_embed_options options = EmbedOptionsOf(truncate);
  options.dimensions = static_cast<std::int32_t>(out.shape(1));
  options.raw = raw ? 1 : 0;
  Watched(options,
          [&](const cairn_embed_options& o) { return embedder.Embed(texts, out.data(), o); });
}

std::vector<double> Rerank(const cairn::Embedder& embedder, const std::string& query,
                           const cairn::Texts& documents, bool truncate) {
  return Watched(EmbedOptionsOf(truncate), [&](const cairn_embed_options& o) {
    return embedder.Rerank(query, documents, o);
  });
}

// Raised becomes what cairn._errors makes of its code; imported late, since stubs are made of this
// module alone.
void Translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Raised& raised) {
    nb::object made = nb::module_::import_("cairn._errors")
                          .attr("error_of")(raised.error.code, raised.error.message);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  }
}

cairn_model_options ModelOptionsOf(const std::string& folder, const std::string& pre,
                                   std::int32_t embed) {
  cairn_model_options options = cairn::ModelOptions();
  options.folder = folder.empty() ? nullptr : WithoutZero(folder, "folder").c_str();
  options.pre_tokenizer = pre.empty() ? nullptr : WithoutZero(pre, "pre_tokenizer").c_str();
  options.embed = embed;
  return options;
}

nb::dict DictOf(const cairn_model_info& info) {
  nb::dict dict;
  dict["path"] = info.path;
  dict["architecture"] = info.architecture;
  dict["chat_template"] = info.chat_template == nullptr ? nb::object(nb::none())
                                                        : nb::object(nb::str(info.chat_template));
  dict["context"] = info.context;
  dict["parameters"] = info.parameters;
  dict["file_bytes"] = info.file_bytes;
  dict["vocabulary"] = info.vocabulary;
  dict["tokens"] = info.tokens;
  dict["begin_token"] = info.begin_token;
  dict["end_token"] = info.end_token;
  dict["embeds"] = info.embeds != 0;
  return dict;
}

nb::dict DictOf(const cairn_engine_info& info) {
  nb::dict dict;
  dict["isa"] = info.isa;
  dict["context"] = info.context;
  dict["kv_budget"] = info.kv_budget;
  dict["kv_used"] = info.kv_used;
  dict["running"] = info.running;
  dict["waiting"] = info.waiting;
  dict["threads"] = info.threads;
  return dict;
}

nb::dict DictOf(const cairn_embedder_info& info) {
  nb::dict dict;
  dict["isa"] = info.isa;
  dict["context"] = info.context;
  dict["width"] = info.width;
  dict["scores"] = info.scores != 0;
  dict["threads"] = info.threads;
  return dict;
}

void BindModel(nb::module_& m) {
  m.def(
      "pull",
      [](const std::string& name, const std::string& folder, nb::object progress) {
        const cairn_model_options options = ModelOptionsOf(folder, "", 0);
        cairn::Progress tell;
        if (!progress.is_none()) {
          tell = [&progress](std::uint64_t done, std::uint64_t total) {
            const nb::gil_scoped_acquire held;
            progress(done, total);
          };
        }
        const nb::gil_scoped_release released;
        Take(cairn::Pull(WithoutZero(name, "name"), tell, options));
      },
      "name"_a, "folder"_a, "progress"_a.none());
  m.def(
      "models",
      [](const std::string& folder) {
        std::vector<std::tuple<std::string, std::string, std::uint64_t>> found;
        for (auto& one : Take(cairn::ListModels(ModelOptionsOf(folder, "", 0)))) {
          found.emplace_back(std::move(one.name), std::move(one.path), one.bytes);
        }
        return found;
      },
      "folder"_a);
  nb::class_<cairn::Model>(m, "Model")
      .def_static(
          "open",
          [](const std::string& name, const std::string& folder, const std::string& pre,
             std::int32_t embed) {
            const nb::gil_scoped_release released;
            return Take(
                cairn::Model::Open(WithoutZero(name, "name"), ModelOptionsOf(folder, pre, embed)));
          },
          "name"_a, "folder"_a, "pre_tokenizer"_a, "embed"_a)
      .def("info", [](const cairn::Model& model) { return DictOf(model.info()); })
      .def(
          "tokenize",
          [](const cairn::Model& model, const std::string& text, bool add_special,
             bool parse_special) {
            const nb::gil_scoped_release released;
            return Take(model.Tokenize(
                text, (add_special ? std::uint32_t{CAIRN_ADD_SPECIAL} : 0u) |
                          (parse_special ? std::uint32_t{CAIRN_PARSE_SPECIAL} : 0u)));
          },
          "text"_a, "add_special"_a, "parse_special"_a)
      .def(
          "detokenize",
          [](const cairn::Model& model, const TokenArray& tokens, bool special) {
            const std::string bytes = Take(model.Detokenize(ListOf(tokens), special));
            return nb::bytes(bytes.data(), bytes.size());
          },
          "tokens"_a, "special"_a)
      .def("ends", &cairn::Model::Ends, "token"_a);
}

void BindEngine(nb::module_& m) {
  nb::class_<cairn_engine_options>(m, "EngineOptions")
      .def("__init__",
           [](cairn_engine_options* self) {
             new (self) cairn_engine_options(cairn::EngineOptions());
           })
      .def_rw("context", &cairn_engine_options::context)
      .def_rw("kv_memory", &cairn_engine_options::kv_memory)
      .def_rw("threads", &cairn_engine_options::threads)
      .def_rw("kv", &cairn_engine_options::kv)
      .def_rw("sequences", &cairn_engine_options::sequences)
      .def_rw("step_rows", &cairn_engine_options::step_rows)
      .def_rw("waiting", &cairn_engine_options::waiting)
      .def_rw("pinned", &cairn_engine_options::pinned)
      .def_rw("propose", &cairn_engine_options::propose);
  nb::class_<cairn::Engine>(m, "Engine")
      .def_static(
          "open",
          [](const cairn::Model& model, cairn_engine_options options, const std::string& isa) {
            options.isa = isa.empty() ? nullptr : WithoutZero(isa, "isa").c_str();
            const nb::gil_scoped_release released;
            return Take(cairn::Engine::Open(model, options));
          },
          "model"_a, "options"_a, "isa"_a)
      .def("info",
           [](const cairn::Engine& engine) {
             const cairn_engine_info info = [&] {
               const nb::gil_scoped_release released;  // waits for a step
               return engine.info();
             }();
             return DictOf(info);
           })
      .def(
          "submit",
          [](const cairn::Engine& engine, const TokenArray& prompt, Options& options) {
            cairn::Tokens tokens = ListOf(prompt);
            const cairn_generate_options& ready = options.Ready();
            const nb::gil_scoped_release released;
            return Take(engine.Submit(tokens, ready));
          },
          "prompt"_a, "options"_a);
  nb::class_<Session>(m, "Session")
      .def(nb::init<const cairn::Engine&, std::int64_t>(), "engine"_a, "vocabulary"_a)
      .def("length", &Session::length)
      .def("truncate", &Session::Truncate, "length"_a)
      .def("append", &Session::Append, "tokens"_a, "out"_a.noconvert());
}

void BindEmbedder(nb::module_& m) {
  nb::class_<cairn::Embedder>(m, "Embedder")
      .def_static(
          "open",
          [](const cairn::Model& model, std::int64_t context, std::int32_t threads, bool pinned,
             const std::string& isa) {
            cairn_embedder_options options = cairn::EmbedderOptions();
            options.isa = isa.empty() ? nullptr : WithoutZero(isa, "isa").c_str();
            options.context = context;
            options.threads = threads;
            options.pinned = pinned ? 1 : 0;
            const nb::gil_scoped_release released;
            return Take(cairn::Embedder::Open(model, options));
          },
          "model"_a, "context"_a, "threads"_a, "pinned"_a, "isa"_a)
      .def("info", [](const cairn::Embedder& embedder) { return DictOf(embedder.info()); })
      .def("embed", &Embed, "texts"_a, "out"_a.noconvert(), "truncate"_a, "raw"_a)
      .def("rerank", &Rerank, "query"_a, "documents"_a, "truncate"_a);
}

void BindAnswers(nb::module_& m) {
  nb::class_<Options>(m, "Options")
      .def(nb::init<>())
      .def_rw("max_tokens", &Options::max_tokens)
      .def_rw("seed", &Options::seed)
      .def_rw("temperature", &Options::temperature)
      .def_rw("top_p", &Options::top_p)
      .def_rw("min_p", &Options::min_p)
      .def_rw("top_k", &Options::top_k)
      .def_rw("repeat_penalty", &Options::repeat_penalty)
      .def_rw("presence_penalty", &Options::presence_penalty)
      .def_rw("frequency_penalty", &Options::frequency_penalty)
      .def_rw("repeat_window", &Options::repeat_window)
      .def_rw("choices", &Options::choices)
      .def_rw("priority", &Options::priority)
      .def_rw("ignore_end", &Options::ignore_end)
      .def_rw("no_cache", &Options::no_cache)
      .def("set_stop", &Options::SetStop, "texts"_a);
  nb::class_<cairn::Request>(m, "Request")
      .def(
          "next",
          [](cairn::Request& request, std::int64_t milliseconds) {
            const cairn::Event event = [&] {
              const nb::gil_scoped_release released;
              return Take(request.Next(milliseconds));
            }();
            return std::make_tuple(event.kind, event.choice, std::string(event.text));
          },
          "milliseconds"_a)
      .def(
          "answer",
          [](cairn::Request& request, int choice) {
            return AnswerTuple(Take(request.Wait(choice)));
          },
          "choice"_a)
      .def("cancel", &cairn::Request::Cancel);
  nb::class_<cairn::Chat>(m, "Chat")
      .def_static(
          "open",
          [](const cairn::Engine& engine, const std::string& system,
             const std::string& chat_template) {
            return Take(cairn::Chat::Open(engine, WithoutZero(system, "system"),
                                          WithoutZero(chat_template, "chat_template")));
          },
          "engine"_a, "system"_a, "chat_template"_a)
      .def(
          "add",
          [](cairn::Chat& chat, const std::string& role, const std::string& content) {
            Take(chat.Add(WithoutZero(role, "role"), WithoutZero(content, "content")));
          },
          "role"_a, "content"_a)
      .def("clear", &cairn::Chat::Clear)
      .def("tokens", [](const cairn::Chat& chat) { return Take(chat.PromptTokens()); })
      .def(
          "submit",
          [](cairn::Chat& chat, const std::string& question, Options& options) {
            const cairn_generate_options& ready = options.Ready();
            const nb::gil_scoped_release released;
            return Take(chat.Submit(WithoutZero(question, "question"), ready));
          },
          "question"_a, "options"_a);
}

}  // namespace

NB_MODULE(_cairn, m) {
  m.doc() = "What the package cairn needs of C++; use the package.";
  nb::register_exception_translator(Translate);
  m.def("version", [] { return cairn_version(); });
  m.def("status_name", &cairn_status_name, "status"_a);
  BindModel(m);
  BindEngine(m);
  BindEmbedder(m);
  BindAnswers(m);
}
