// SPDX-License-Identifier: Apache-2.0
#include "model/folder_metadata.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cmath>

#include "base/printable.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

using Vectors = std::vector<ComputedVector>;

std::string KeyOf(const FolderKind& kind, std::string_view key) {
  return fmt::format("{}.{}", kind.architecture, key);
}

Result<void> Write(const Checkpoint& from, const FolderKind& kind, const Setting& setting,
                   GgufOutput& out) {
  std::string_view name = setting.from;
  if (const std::size_t bar = name.find('|'); bar != std::string_view::npos) {
    const std::string_view first = name.substr(0, bar);
    name = from.Value(first) != nullptr ? first : name.substr(bar + 1);
  }
  if (setting.absent == Setting::Absent::kLeftOut && from.Value(name) == nullptr) return {};
  const std::string key = KeyOf(kind, setting.to);
  switch (setting.type) {
    case SettingType::kCount: out.Set(key, OR_RETURN(from.Count(name))); break;
    case SettingType::kNumber: out.Set(key, OR_RETURN(from.Number(name))); break;
    case SettingType::kFlag: out.Set(key, OR_RETURN(from.Flag(name, false))); break;
  }
  return {};
}

Result<void> CheckActivation(const Checkpoint& from, const FolderKind& kind) {
  if (kind.activations.empty()) return {};
  for (const char* key : {"hidden_act", "hidden_activation"}) {
    const std::string name = OR_RETURN(from.Text(key, ""));
    if (name.empty() || kind.activations.contains(" " + name + " ")) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json: '{}' is '{}'; supported for '{}':{}", key,
                            Printable(name), kind.type, kind.activations));
  }
  return {};
}

// --- rotary embeddings ----------------------------------------------------------------------

struct Rotary {
  const Checkpoint& from;
  const FolderKind& kind;
  const json::object* own = nullptr;  // 'rope_parameters' or 'rope_scaling'; null: there is none
  std::uint32_t head_dim = 0;
  std::uint32_t rotated = 0;  // values of a head
  double base = 10000;

  const json::value* Find(std::string_view key) const {
    const json::value* value = own != nullptr ? own->if_contains(key) : nullptr;
    if (value != nullptr && !value->is_null()) return value;
    return from.Value(key);
  }
  Result<double> Number(std::string_view key, std::optional<double> fallback) const {
    const json::value* value = Find(key);
    if (value == nullptr && fallback) return *fallback;
    const double number = value != nullptr && value->is_number() ? value->to_number<double>() : NAN;
    if (std::isfinite(number) && number > 0 && number < 1e12) return number;
    return Fail(ErrorCode::kCorrupt,
                fmt::format("config.json: the rotary embedding has no usable '{}'", key));
  }
};

// Folders of transformers 5 have 'rope_parameters', where layers of two kinds differ one of each
// kind; older ones 'rope_theta' and 'rope_scaling'.
Result<Rotary> FindRotary(const Checkpoint& from, const FolderKind& kind) {
  Rotary rope{.from = from, .kind = kind};
  const std::uint32_t width = OR_RETURN(from.Count("hidden_size"));
  const std::uint32_t heads = OR_RETURN(from.Count("num_attention_heads"));
  rope.head_dim = OR_RETURN(from.CountOr("head_dim", heads > 0 ? width / heads : 0));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const json::value* value = from.Value(key);
    if (value == nullptr || rope.own != nullptr) continue;
    if (!value->is_object()) {
      return Fail(ErrorCode::kCorrupt, fmt::format("config.json: '{}' is no object", key));
    }
    rope.own = &value->get_object();
    if (const json::value* full = rope.own->if_contains("full_attention")) {
      rope.own = full->if_object();
    }
  }
  rope.base = OR_RETURN(rope.Number("rope_theta", 10000));
  const double part = OR_RETURN(rope.Number("partial_rotary_factor", 1));
  rope.rotated = static_cast<std::uint32_t>(std::min(part, 1.0) * rope.head_dim);
  return rope;
}

// Llama 3: long waves are stretched, short ones are not, between them it is gradual.
Result<ComputedVector> Llama3Factors(const Rotary& rope) {
  const double factor = OR_RETURN(rope.Number("factor", std::nullopt));
  const double low = OR_RETURN(rope.Number("low_freq_factor", 1));
  const double high = OR_RETURN(rope.Number("high_freq_factor", 4));
  const double trained = OR_RETURN(rope.Number("original_max_position_embeddings", 8192));
  ComputedVector factors{.name = "rope_freqs.weight", .values = {}};
  constexpr double kTwoPi = 6.283185307179586;
  for (std::uint32_t i = 0; i + 1 < rope.rotated; i += 2) {
    const double wave = kTwoPi * std::pow(rope.base, static_cast<double>(i) / rope.rotated);
    double divisor = 1;
    if (wave > trained / low) {
      divisor = factor;
    } else if (wave >= trained / high) {
      const double smooth = (trained / wave - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    factors.values.push_back(static_cast<float>(divisor));
  }
  return factors;
}

Result<ComputedVector> ListedFactors(const Rotary& rope, const char* key, const char* name) {
  ComputedVector factors{.name = name, .values = {}};
  const json::value* list = rope.Find(key);
  if (list == nullptr || !list->is_array() || list->get_array().size() != rope.rotated / 2) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("config.json: '{}' is no list of {} factors", key, rope.rotated / 2));
  }
  for (const json::value& value : list->get_array()) {
    if (!value.is_number()) {
      return Fail(ErrorCode::kCorrupt, fmt::format("config.json: '{}' is no list of numbers", key));
    }
    factors.values.push_back(value.to_number<float>());
  }
  return factors;
}

Result<Vectors> WriteLongRope(const Rotary& rope, GgufOutput& out) {
  Vectors vectors;
  vectors.push_back(OR_RETURN(ListedFactors(rope, "long_factor", "rope_factors_long.weight")));
  vectors.push_back(OR_RETURN(ListedFactors(rope, "short_factor", "rope_factors_short.weight")));
  const double most = OR_RETURN(rope.Number("max_position_embeddings", std::nullopt));
  const double trained = OR_RETURN(rope.Number("original_max_position_embeddings", most));
  const double stretched = most / trained;
  const double attention = OR_RETURN(rope.Number(
      "attention_factor",
      stretched <= 1 ? 1 : std::sqrt(1 + std::log(stretched) / std::log(std::max(trained, 2.0)))));
  out.Set(KeyOf(rope.kind, "rope.scaling.original_context_length"),
          static_cast<std::uint32_t>(trained));
  out.Set(KeyOf(rope.kind, "rope.scaling.attn_factor"), static_cast<float>(attention));
  return vectors;
}

Result<void> WriteYarn(const Rotary& rope, GgufOutput& out) {
  const double factor = OR_RETURN(rope.Number("factor", std::nullopt));
  const double most = OR_RETURN(rope.Number("max_position_embeddings", std::nullopt));
  out.Set(KeyOf(rope.kind, "rope.scaling.type"), "yarn");
  out.Set(KeyOf(rope.kind, "rope.scaling.factor"), static_cast<float>(factor));
  out.Set(
      KeyOf(rope.kind, "rope.scaling.original_context_length"),
      static_cast<std::uint32_t>(OR_RETURN(rope.Number("original_max_position_embeddings", most))));
  const std::pair<const char*, const char*> betas[] = {
      {"beta_fast", "rope.scaling.yarn_beta_fast"}, {"beta_slow", "rope.scaling.yarn_beta_slow"}};
  for (const auto& [key, to] : betas) {
    if (rope.Find(key) == nullptr) continue;
    out.Set(KeyOf(rope.kind, to), static_cast<float>(OR_RETURN(rope.Number(key, std::nullopt))));
  }
  for (const char* key : {"mscale", "mscale_all_dim", "truncate"}) {
    const json::value* value = rope.Find(key);
    if (value == nullptr || (value->is_bool() && value->get_bool())) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json: '{}' of the rotary embedding is not known for '{}'", key,
                            rope.kind.type));
  }
  if (rope.Find("attention_factor") == nullptr) return {};
  // The file's factor multiplies what YaRN has by itself.
  const double own = 1 + 0.1 * std::log(std::max(factor, 1.0));
  const double attention = OR_RETURN(rope.Number("attention_factor", std::nullopt));
  out.Set(KeyOf(rope.kind, "rope.scaling.attn_factor"), static_cast<float>(attention / own));
  return {};
}

Result<Vectors> WriteRotary(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) {
  const Rotary rope = OR_RETURN(FindRotary(from, kind));
  out.Set(KeyOf(kind, "rope.freq_base"), static_cast<float>(rope.base));
  out.Set(KeyOf(kind, "rope.dimension_count"), rope.rotated);
  const json::value* named = rope.own != nullptr ? rope.own->if_contains("rope_type") : nullptr;
  if (named == nullptr && rope.own != nullptr) named = rope.own->if_contains("type");
  const std::string type = named != nullptr && named->is_string() ? std::string(named->get_string())
                                                                  : std::string("default");
  Vectors vectors;
  if (type == "linear") {
    out.Set(KeyOf(kind, "rope.scaling.type"), "linear");
    out.Set(KeyOf(kind, "rope.scaling.factor"),
            static_cast<float>(OR_RETURN(rope.Number("factor", std::nullopt))));
  } else if (type == "yarn") {
    OR_RETURN(WriteYarn(rope, out));
  } else if (type == "llama3") {
    vectors.push_back(OR_RETURN(Llama3Factors(rope)));
  } else if (type == "longrope" || type == "su") {
    return WriteLongRope(rope, out);
  } else if (type != "default") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json: the scaling of positions '{}' is not supported, only "
                            "default, linear, yarn, llama3 and longrope",
                            Printable(type)));
  }
  return vectors;
}

}  // namespace

Result<Vectors> WriteSettings(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) {
  if (from.Value("quantization_config") != nullptr) {
    return Fail(ErrorCode::kUnsupported,
                "config.json: the weights are quantised already ('quantization_config'); only "
                "folders of F32, F16 and BF16 are read");
  }
  for (const std::span<const Setting> settings : {kind.settings, kind.more_settings}) {
    for (const Setting& setting : settings) OR_RETURN(Write(from, kind, setting, out));
  }
  Vectors vectors;
  if (kind.decoder) {
    const std::uint32_t heads = OR_RETURN(from.Count("num_attention_heads"));
    out.Set(KeyOf(kind, "attention.head_count_kv"),
            OR_RETURN(from.CountOr("num_key_value_heads", heads)));
    if (from.Value("head_dim") != nullptr) {
      const std::uint32_t head_dim = OR_RETURN(from.Count("head_dim"));
      out.Set(KeyOf(kind, "attention.key_length"), head_dim);
      out.Set(KeyOf(kind, "attention.value_length"), head_dim);
    }
    OR_RETURN(CheckActivation(from, kind));
    vectors = OR_RETURN(WriteRotary(from, kind, out));
  }
  if (kind.more != nullptr) OR_RETURN(kind.more(from, kind, out));
  return vectors;
}

}  // namespace cairn::model
