// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include "base/mapped_file.h"
#include "model/architectures.h"
#include "parallel/team.h"

namespace cairn::model {

struct Model::State {
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

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

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

Result<std::shared_ptr<const Model>> LoadFile(const std::string& path, const LoadOptions& options,
                                              auto make) {
  MappedFile file = OR_RETURN(MappedFile::Open(path));
  Gguf gguf = OR_RETURN(Gguf::Parse(file.bytes()));
  program::Program program = OR_RETURN(BuildProgram(gguf));
  const std::string architecture(OR_RETURN(gguf.GetString("general.architecture")));
  const std::int64_t context = OR_RETURN(gguf.GetInt(architecture + ".context_length"));
  if (context < 1) return Fail(ErrorCode::kCorrupt, "the context length is below 1");
  auto chat_template = OR_RETURN(ReadTemplate(gguf));
  Tokenizer tokenizer = OR_RETURN(Tokenizer::Create(OR_RETURN(ReadVocabulary(gguf))));
  if (tokenizer.size() > program.vocabulary) {
    return Fail(ErrorCode::kCorrupt, "the vocabulary has more tokens than the embedding has rows");
  }
  parallel::WorkerTeam team(options.threads > 0 ? options.threads : parallel::UsableCores());
  Weights weights = OR_RETURN(Weights::Load(program, gguf, file, team));
  const std::int64_t parameters = CountParameters(gguf);
  return make(std::move(file), std::move(gguf), architecture, std::move(program),
              std::move(weights), std::move(tokenizer), std::move(chat_template), context,
              parameters);
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::Load(const std::string& path,
                                                 const LoadOptions& options) {
  auto loaded = LoadFile(path, options, [](auto&&... parts) {
    return std::shared_ptr<const Model>(
        new Model(std::unique_ptr<State>(new State{std::forward<decltype(parts)>(parts)...})));
  });
  // The message names the file once: a file that cannot be opened names itself.
  if (!loaded && loaded.error().message.find(path) == std::string::npos) {
    return std::unexpected(std::move(loaded).error().Within("'" + path + "'"));
  }
  return loaded;
}

const std::string& Model::path() const { return state_->file.path(); }
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
