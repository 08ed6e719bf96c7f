// Where checkpoints keep their chat templates, and the tokens that templates name.
#pragma once

#include "chat/template_set.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "tokenizer/text_folder.h"
#include "tokenizer/tokenizer.h"

namespace inference {

// As transformers looks for them: chat_template.jinja (the default one) and
// additional_chat_templates/NAME.jinja; where there is neither, chat_template of
// tokenizer_config.json, a string or a list of {name, template}; and where there is none,
// chat_template.json. Fails with FORMAT, LIMIT, PATH or IO; never for a template's own text.
TemplateSet LoadChatTemplatesFolder(const TextFolder& files);

// tokenizer.chat_template (the default one) and tokenizer.chat_template.NAME.
TemplateSet LoadChatTemplatesGguf(const GgufMetadata& metadata);

// The variables bos_token, pad_token, image_token, ... of a folder's templates: each key of
// tokenizer_config.json that ends in _token, a text or {"content": text}, and the entries of its
// extra_special_tokens; special_tokens_map.json adds what is not there. An object.
OrderedJson LoadSpecialTokensFolder(const TextFolder& files);

// The same of a GGUF file: unk_token, pad_token, sep_token, cls_token and mask_token by their ids.
OrderedJson LoadSpecialTokensGguf(const GgufMetadata& metadata, const Tokenizer& tokenizer);

}  // namespace inference
