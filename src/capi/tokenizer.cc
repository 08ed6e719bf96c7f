#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

extern "C" {

inf_status inf_tokenizer_load(const char* path, size_t path_len, const inf_config* config,
                              inf_tokenizer** out, inf_error* err) {
  return Guard(err, [&] {
    const std::string where = PathArg(path, path_len);
    const TextOptions options = TextOptionsFrom(config);
    RequireOut(out, "out");
    *out = NewHandle<inf_tokenizer>(
        std::make_shared<TokenizerObject>(TokenizerObject{LoadTextProcessor(where, options)}));
  });
}

void inf_tokenizer_free(inf_tokenizer* tokenizer) { FreeHandle(tokenizer); }

inf_status inf_tokenize(const inf_tokenizer* tokenizer, const char* text, size_t text_len,
                        uint32_t flags, inf_tokens* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    const std::string_view bytes = TextArg(text, text_len, "text");
    FlagsArg(flags, INF_ADD_SPECIAL | INF_PARSE_SPECIAL, "flags");
    RequireBuffer(out, "out");
    const EncodeOptions options{.add_special = (flags & INF_ADD_SPECIAL) != 0,
                                .parse_special = (flags & INF_PARSE_SPECIAL) != 0};
    FillBuffer(out, object->text->tokenizer->Encode(bytes, options));
  });
}

inf_status inf_detokenize(const inf_tokenizer* tokenizer, const inf_token* ids, size_t n,
                          uint32_t flags, inf_buf* out, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    const std::span<const int32_t> list = IdsArg(ids, n, "ids");
    FlagsArg(flags, INF_SKIP_SPECIAL, "flags");
    RequireBuffer(out, "out");
    FillBuffer(out, object->text->tokenizer->Decode(list, (flags & INF_SKIP_SPECIAL) != 0));
  });
}

inf_status inf_token_bytes(const inf_tokenizer* tokenizer, inf_token id, inf_buf* out,
                           inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    RequireBuffer(out, "out");
    FillBuffer(out, object->text->tokenizer->TokenBytes(id));
  });
}

inf_token inf_special_token(const inf_tokenizer* tokenizer, uint32_t which) {
  return GuardOr(inf_token{-1}, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    const Tokenizer& of = *object->text->tokenizer;
    if (which == INF_SPECIAL_BOS) return of.bos().value_or(-1);
    if (which == INF_SPECIAL_EOS) return of.eos().value_or(-1);
    return -1;
  });
}

int32_t inf_token_is_end(const inf_tokenizer* tokenizer, inf_token id) {
  return GuardOr(
      0, [&] { return Lookup(tokenizer, "tokenizer")->text->tokenizer->IsEnd(id) ? 1 : 0; });
}

uint32_t inf_vocab_size(const inf_tokenizer* tokenizer) {
  return GuardOr(uint32_t{0}, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    return static_cast<uint32_t>(object->text->tokenizer->vocab_size());
  });
}

inf_status inf_detok_new(const inf_tokenizer* tokenizer, uint32_t flags, inf_detok** out,
                         inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(tokenizer, "tokenizer");
    FlagsArg(flags, INF_SKIP_SPECIAL, "flags");
    RequireOut(out, "out");
    *out = NewHandle<inf_detok>(
        std::make_shared<DetokObject>(object->text->tokenizer, (flags & INF_SKIP_SPECIAL) != 0));
  });
}

inf_status inf_detok_push(inf_detok* detok, inf_token id, inf_buf* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(detok, "detok");
    RequireBuffer(out, "out");
    FillBuffer(out, held->decoder.Push(id));
  });
}

inf_status inf_detok_flush(inf_detok* detok, inf_buf* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(detok, "detok");
    RequireBuffer(out, "out");
    FillBuffer(out, held->decoder.Flush());
  });
}

void inf_detok_free(inf_detok* detok) { FreeHandle(detok); }

}  // extern "C"
