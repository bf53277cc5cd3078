// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/folder.h"
#include "model/hyper_parameters.h"
#include "parallel/team.h"

namespace cairn::model {

struct Model::State {
  [[nodiscard]] static Result<std::unique_ptr<State>> Read(const std::string& path, GgufFile opened,
                                                           const LoadOptions& options);

  std::string path;
  MappedFile file;
  Gguf gguf;
  std::string architecture;
  program::Program program;
  Weights weights;
  Tokenizer tokenizer;
  std::optional<std::string> chat_template;
  std::int64_t context_length = 0;
  std::int64_t parameters = 0;
};

namespace {

Result<std::optional<std::string>> ReadTemplate(const Gguf& gguf) {
  if (gguf.Find("tokenizer.chat_template") == nullptr) return std::nullopt;
  return std::string(OR_RETURN(gguf.GetString("tokenizer.chat_template")));
}

std::int64_t CountParameters(const Gguf& gguf) {
  std::int64_t count = 0;
  for (const GgufTensor& tensor : gguf.tensors()) count += tensor.cols() * tensor.rows();
  return count;
}

}  // namespace

Result<std::unique_ptr<Model::State>> Model::State::Read(const std::string& path, GgufFile opened,
                                                         const LoadOptions& options) {
  auto [file, gguf] = std::move(opened);
  program::Program program = OR_RETURN(BuildProgram(gguf, options.use));
  std::string architecture(OR_RETURN(gguf.GetString("general.architecture")));
  int context =
      OR_RETURN(HyperParameters(gguf, architecture).Int("context_length", 1, kMostContext));
  if (program.most_positions > 0) context = std::min(context, program.most_positions);
  auto chat_template = OR_RETURN(ReadTemplate(gguf));
  Tokenizer tokenizer = OR_RETURN(Tokenizer::Create(OR_RETURN(ReadVocabulary(gguf, options.pre))));
  if (tokenizer.size() > program.vocabulary) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the vocabulary has {} tokens, but the embedding only {} rows",
                            tokenizer.size(), program.vocabulary));
  }
  parallel::WorkerTeam team(options.threads > 0 ? options.threads : parallel::UsableCores());
  Weights weights = OR_RETURN(Weights::Load(program, gguf, file, team));
  const std::int64_t parameters = CountParameters(gguf);
  return std::unique_ptr<State>(new State{.path = path,
                                          .file = std::move(file),
                                          .gguf = std::move(gguf),
                                          .architecture = std::move(architecture),
                                          .program = std::move(program),
                                          .weights = std::move(weights),
                                          .tokenizer = std::move(tokenizer),
                                          .chat_template = std::move(chat_template),
                                          .context_length = context,
                                          .parameters = parameters});
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

Result<std::shared_ptr<const Model>> Model::Load(const std::string& path,
                                                 const LoadOptions& options) {
  GgufFile file = OR_RETURN(OpenModelFile(path));  // its errors name the path
  auto state = State::Read(path, std::move(file), options);
  if (!state) return std::unexpected(std::move(state).error().Within("'" + path + "'"));
  return std::shared_ptr<const Model>(new Model(*std::move(state)));
}

const std::string& Model::path() const { return state_->path; }
const std::string& Model::architecture() const { return state_->architecture; }
std::int64_t Model::context_length() const { return state_->context_length; }
std::int64_t Model::parameters() const { return state_->parameters; }
std::size_t Model::file_bytes() const { return state_->gguf.file_bytes(); }
const Gguf& Model::gguf() const { return state_->gguf; }
const program::Program& Model::program() const { return state_->program; }
const Weights& Model::weights() const { return state_->weights; }
const Tokenizer& Model::tokenizer() const { return state_->tokenizer; }
const std::optional<std::string>& Model::chat_template() const { return state_->chat_template; }

}  // namespace cairn::model
