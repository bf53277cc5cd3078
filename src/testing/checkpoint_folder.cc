// SPDX-License-Identifier: Apache-2.0
#include "testing/checkpoint_folder.h"

#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "base/mapped_file.h"

namespace cairn::testing {
namespace {

namespace json = boost::json;

// As transformers calls a tensor of a BERT file.
std::string NameInFolder(std::string name) {
  const std::pair<const char*, const char*> parts[] = {
      {"token_embd_norm", "bert.embeddings.LayerNorm"},
      {"token_embd", "bert.embeddings.word_embeddings"},
      {"position_embd", "bert.embeddings.position_embeddings"},
      {"token_types", "bert.embeddings.token_type_embeddings"},
      {"blk.", "bert.encoder.layer."},
      {"attn_q.", "attention.self.query."},
      {"attn_k.", "attention.self.key."},
      {"attn_v.", "attention.self.value."},
      {"attn_output_norm", "attention.output.LayerNorm"},
      {"attn_output", "attention.output.dense"},
      {"layer_output_norm", "output.LayerNorm"},
      {"ffn_up", "intermediate.dense"},
      {"ffn_down", "output.dense"},
      {"cls.output", "classifier"},
      {"cls.", "bert.pooler.dense."},
  };
  for (const auto& [from, to] : parts) {
    const std::size_t at = name.find(from);
    if (at == std::string::npos) continue;
    name.replace(at, std::strlen(from), to);
    if (std::string_view(from) != "blk.") return name;
  }
  return name;
}

}  // namespace

CheckpointFolder::CheckpointFolder(const std::string& gguf_path) {
  const auto file = MappedFile::Open(gguf_path);
  CAIRN_CHECK(file.has_value());
  const auto parsed = model::Gguf::Parse(file->bytes());
  CAIRN_CHECK(parsed.has_value());
  const model::Gguf& gguf = *parsed;
  config = {{"model_type", "bert"},
            {"hidden_act", "gelu"},
            {"max_position_embeddings", *gguf.GetInt("bert.context_length")},
            {"hidden_size", *gguf.GetInt("bert.embedding_length")},
            {"intermediate_size", *gguf.GetInt("bert.feed_forward_length")},
            {"num_hidden_layers", *gguf.GetInt("bert.block_count")},
            {"num_attention_heads", *gguf.GetInt("bert.attention.head_count")},
            {"layer_norm_eps", *gguf.GetFloat("bert.attention.layer_norm_epsilon")},
            {"type_vocab_size", 2}};
  TakeVocabulary(gguf);
  TakeTensors(gguf);
}

const std::string& CheckpointFolder::Write() {
  WriteText("config.json", json::serialize(config));
  WriteText("tokenizer.json", json::serialize(tokenizer));
  const std::string text = json::serialize(header);
  const std::uint64_t size = text.size();
  std::ofstream out(temp_.File("model.safetensors"), std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << text;
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  return temp_.path();
}

void CheckpointFolder::WriteText(const std::string& name, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(temp_.File(name)).parent_path());
  std::ofstream(temp_.File(name)) << text;
}

void CheckpointFolder::TakeVocabulary(const model::Gguf& gguf) {
  json::object vocabulary;
  json::array added;
  const auto tokens = *gguf.GetStrings("tokenizer.ggml.tokens");
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    std::string text(tokens[id]);
    if (text.starts_with('[')) {
      added.push_back(json::object{{"id", id}, {"content", text}, {"special", true}});
    } else {
      text = text.starts_with("\xE2\x96\x81") ? text.substr(3) : "##" + text;
    }
    vocabulary[text] = id;
  }
  json::object words{{"type", "WordPiece"},
                     {"unk_token", "[UNK]"},
                     {"continuing_subword_prefix", "##"},
                     {"vocab", std::move(vocabulary)}};
  tokenizer["added_tokens"] = std::move(added);
  tokenizer["model"] = std::move(words);
}

void CheckpointFolder::TakeTensors(const model::Gguf& gguf) {
  for (const model::GgufTensor& tensor : gguf.tensors()) {
    const std::size_t begin = data.size();
    data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    json::object entry;
    entry["dtype"] = std::string(tensor::Traits(tensor.format).name);
    entry["shape"] = json::array(tensor.shape.rbegin(), tensor.shape.rend());
    entry["data_offsets"] = json::array{begin, data.size()};
    header[NameInFolder(std::string(tensor.name))] = std::move(entry);
  }
}

}  // namespace cairn::testing
