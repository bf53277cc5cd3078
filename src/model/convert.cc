// SPDX-License-Identifier: Apache-2.0
#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <charconv>
#include <optional>

#include "base/printable.h"
#include "model/checkpoint.h"
#include "model/import_tokenizer.h"
#include "tensor/dequantise.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

// How tensors are called: in the folder and in the file, '*' for the number of the layer. What ends
// with a dot stands for a weight and a bias.
struct NamePair {
  std::string_view from;
  std::string_view to;  // empty: not needed
};

struct Converter {
  std::string_view type;  // 'model_type' of config.json
  Result<void> (*metadata)(const Checkpoint& from, GgufOutput& out);
  std::span<const NamePair> names;
  std::span<const std::string_view> prefixes;  // of names, that some folders have
};

// --- names ----------------------------------------------------------------------------------

// `name` by the pattern, or nothing.
std::optional<std::string> Renamed(std::string_view name, const NamePair& pair) {
  const std::size_t star = pair.from.find('*');
  std::string_view number;
  std::string_view rest = name;
  if (star != std::string_view::npos) {
    if (!name.starts_with(pair.from.substr(0, star))) return std::nullopt;
    rest.remove_prefix(star);
    number = rest.substr(0, rest.find('.'));
    int layer = 0;
    const auto [end, bad] = std::from_chars(number.data(), number.data() + number.size(), layer);
    if (bad != std::errc() || end != number.data() + number.size() || layer < 0) {
      return std::nullopt;
    }
    rest.remove_prefix(number.size());
  }
  const std::string_view from =
      star == std::string_view::npos ? pair.from : pair.from.substr(star + 1);
  if (!rest.starts_with(from)) return std::nullopt;
  rest.remove_prefix(from.size());
  if (!from.ends_with('.') && !rest.empty()) return std::nullopt;
  if (pair.to.empty()) return std::string();
  std::string to(pair.to);
  if (const std::size_t at = to.find('*'); at != std::string::npos) to.replace(at, 1, number);
  // As the first BERT files called them.
  if (rest == "gamma") rest = "weight";
  if (rest == "beta") rest = "bias";
  return to + std::string(rest);
}

// The name in the file, empty for a tensor that is not needed. Errors: kUnsupported.
Result<std::string> NameInFile(const Converter& converter, std::string_view name) {
  std::string_view bare = name;
  for (const std::string_view prefix : converter.prefixes) {
    if (bare.starts_with(prefix)) bare.remove_prefix(prefix.size());
  }
  for (const NamePair& pair : converter.names) {
    if (auto renamed = Renamed(bare, pair)) return *std::move(renamed);
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("tensor '{}' belongs to a feature that is not known", Printable(name)));
}

// --- tensors --------------------------------------------------------------------------------

Result<void> WriteAsFloats(const SafeTensor& tensor, const ByteSink& sink) {
  std::int64_t count = 1;
  for (const std::int64_t size : tensor.shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  OR_RETURN(tensor::Dequantise(*tensor.format, tensor.bytes, values));
  return sink(std::as_bytes(std::span(values)));
}

Result<void> AddTensor(const SafeTensor& tensor, std::string name, GgufOutput& out) {
  using tensor::Format;
  const bool floats = tensor.format == Format::kF32 || tensor.format == Format::kF16 ||
                      tensor.format == Format::kBF16;
  const bool shaped = !tensor.shape.empty() && tensor.shape.size() <= 4 &&
                      std::ranges::all_of(tensor.shape, [](std::int64_t n) { return n > 0; });
  if (!floats || !shaped) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("tensor '{}' is {} with {} sizes; F32, F16 and BF16 with 1 to 4 are "
                            "supported",
                            Printable(tensor.name), tensor.dtype, tensor.shape.size()));
  }
  const bool vector = tensor.shape.size() == 1;
  const std::vector<std::int64_t> shape(tensor.shape.rbegin(), tensor.shape.rend());
  out.AddTensor(std::move(name), vector ? Format::kF32 : *tensor.format, shape,
                [&tensor, vector](const ByteSink& sink) {
                  return vector ? WriteAsFloats(tensor, sink) : sink(tensor.bytes);
                });
  return {};
}

// --- BERT -----------------------------------------------------------------------------------

// The pooling that sentence-transformers is told of, as the file's number. Nothing where the folder
// does not say.
Result<std::optional<std::uint32_t>> PoolingOf(const Checkpoint& from) {
  const auto modules = OR_RETURN(from.Read("modules.json"));
  if (!modules || !modules->is_array()) return std::nullopt;
  for (const json::value& module : modules->get_array()) {
    const json::object* object = module.if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::value* path = object != nullptr ? object->if_contains("path") : nullptr;
    if (type == nullptr || !type->is_string() || path == nullptr || !path->is_string() ||
        !std::string_view(type->get_string()).ends_with(".Pooling")) {
      continue;
    }
    const auto config =
        OR_RETURN(from.Read(std::string(std::string_view(path->get_string())) + "/config.json"));
    if (!config || !config->is_object()) break;
    const auto on = [&](std::string_view key) {
      const json::value* value = config->get_object().if_contains(key);
      return value != nullptr && value->is_bool() && value->get_bool();
    };
    if (on("pooling_mode_mean_tokens")) return 1;
    if (on("pooling_mode_cls_token")) return 2;
    if (on("pooling_mode_lasttoken")) return 3;
    return Fail(ErrorCode::kUnsupported, "the folder asks for a pooling that is not known");
  }
  return std::nullopt;
}

Result<void> BertMetadata(const Checkpoint& from, GgufOutput& out) {
  const std::string act = OR_RETURN(from.Text("hidden_act", "gelu"));
  const std::string positions = OR_RETURN(from.Text("position_embedding_type", "absolute"));
  if (act != "gelu" || positions != "absolute") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json asks for '{}' and '{}' positions; 'gelu' and 'absolute' "
                            "are supported",
                            Printable(act), Printable(positions)));
  }
  const std::pair<const char*, const char*> counts[] = {
      {"bert.context_length", "max_position_embeddings"},
      {"bert.embedding_length", "hidden_size"},
      {"bert.feed_forward_length", "intermediate_size"},
      {"bert.block_count", "num_hidden_layers"},
      {"bert.attention.head_count", "num_attention_heads"},
      {"tokenizer.ggml.token_type_count", "type_vocab_size"},
  };
  for (const auto& [key, name] : counts) out.Set(key, OR_RETURN(from.Count(name)));
  out.Set("bert.attention.layer_norm_epsilon", OR_RETURN(from.Number("layer_norm_eps")));
  out.Set("bert.attention.causal", false);
  if (from.Find("classifier.weight") != nullptr) {
    out.Set("bert.pooling_type", std::uint32_t{4});  // scores of pairs
  } else if (const auto pooling = OR_RETURN(PoolingOf(from))) {
    out.Set("bert.pooling_type", *pooling);
  }
  return {};
}

constexpr NamePair kBertNames[] = {
    {"embeddings.position_ids", ""},
    {"embeddings.word_embeddings.weight", "token_embd.weight"},
    {"embeddings.position_embeddings.weight", "position_embd.weight"},
    {"embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embeddings.LayerNorm.", "token_embd_norm."},
    {"encoder.layer.*.attention.self.query.", "blk.*.attn_q."},
    {"encoder.layer.*.attention.self.key.", "blk.*.attn_k."},
    {"encoder.layer.*.attention.self.value.", "blk.*.attn_v."},
    {"encoder.layer.*.attention.output.dense.", "blk.*.attn_output."},
    {"encoder.layer.*.attention.output.LayerNorm.", "blk.*.attn_output_norm."},
    {"encoder.layer.*.intermediate.dense.", "blk.*.ffn_up."},
    {"encoder.layer.*.output.dense.", "blk.*.ffn_down."},
    {"encoder.layer.*.output.LayerNorm.", "blk.*.layer_output_norm."},
    {"pooler.dense.", "cls."},
    {"classifier.", "cls.output."},
    {"cls.predictions.", ""},  // heads of the training
    {"cls.seq_relationship.", ""},
};
constexpr std::string_view kBertPrefixes[] = {"bert."};

constexpr Converter kConverters[] = {
    {"bert", BertMetadata, kBertNames, kBertPrefixes},
};

}  // namespace

std::string ConvertibleTypes() {
  std::string names;
  for (const Converter& one : kConverters) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.type);
  }
  return names;
}

Result<void> ConvertFolder(const std::string& folder, std::string_view name, const ByteSink& sink) {
  const Checkpoint from = OR_RETURN(Checkpoint::Open(folder));
  const std::string type = OR_RETURN(from.Text("model_type", ""));
  const auto converter = std::ranges::find(kConverters, type, &Converter::type);
  if (converter == std::end(kConverters)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json has the model_type '{}'; supported are {}",
                            Printable(type), ConvertibleTypes()));
  }
  GgufOutput out;
  out.Set("general.architecture", converter->type);
  out.Set("general.name", name);
  OR_RETURN(converter->metadata(from, out));
  OR_RETURN(ImportTokenizer(from.tokenizer(), out));
  // A pooler without a classifier behind it only served the training.
  const bool scores = from.Find("classifier.weight") != nullptr;
  for (const SafeTensor* tensor : from.tensors()) {
    std::string to = OR_RETURN(NameInFile(*converter, tensor->name));
    if (to.empty() || (to.starts_with("cls.") && !scores)) continue;
    OR_RETURN(AddTensor(*tensor, std::move(to), out));
  }
  return out.Write(sink);
}

}  // namespace cairn::model
