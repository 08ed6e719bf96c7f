/* Size and alignment of every public struct, and size and offset of every field. */
#include <stdio.h>

#include "inference.h"

#define STRUCT(name) printf("%s %u %u\n", #name, (unsigned)sizeof(name), (unsigned)_Alignof(name))
#define FIELD(name, field)                                        \
  printf("  %s %u %u\n", #field, (unsigned)offsetof(name, field), \
         (unsigned)sizeof(((name*)0)->field))

int main(void) {
  STRUCT(inf_error);
  FIELD(inf_error, struct_size);
  FIELD(inf_error, status);
  FIELD(inf_error, domain);
  FIELD(inf_error, sub);
  FIELD(inf_error, msg_len);
  FIELD(inf_error, reserved);
  FIELD(inf_error, msg);
  STRUCT(inf_buf);
  FIELD(inf_buf, data);
  FIELD(inf_buf, len);
  FIELD(inf_buf, cap);
  STRUCT(inf_tokens);
  FIELD(inf_tokens, data);
  FIELD(inf_tokens, len);
  FIELD(inf_tokens, cap);
  STRUCT(inf_floats);
  FIELD(inf_floats, data);
  FIELD(inf_floats, len);
  FIELD(inf_floats, cap);
  STRUCT(inf_event);
  FIELD(inf_event, struct_size);
  FIELD(inf_event, kind);
  FIELD(inf_event, token);
  FIELD(inf_event, reserved);
  FIELD(inf_event, pos);
  FIELD(inf_event, step);
  FIELD(inf_event, total);
  FIELD(inf_event, text);
  FIELD(inf_event, text_len);
  STRUCT(inf_option_desc);
  FIELD(inf_option_desc, struct_size);
  FIELD(inf_option_desc, type);
  FIELD(inf_option_desc, key);
  FIELD(inf_option_desc, default_text);
  FIELD(inf_option_desc, help);
  FIELD(inf_option_desc, min);
  FIELD(inf_option_desc, max);
  STRUCT(inf_device_desc);
  FIELD(inf_device_desc, struct_size);
  FIELD(inf_device_desc, type);
  FIELD(inf_device_desc, name);
  FIELD(inf_device_desc, vendor);
  FIELD(inf_device_desc, driver);
  FIELD(inf_device_desc, memory_bytes);
  FIELD(inf_device_desc, max_alloc_bytes);
  FIELD(inf_device_desc, compute_units);
  FIELD(inf_device_desc, is_default);
  STRUCT(inf_memory_desc);
  FIELD(inf_memory_desc, struct_size);
  FIELD(inf_memory_desc, reserved);
  FIELD(inf_memory_desc, active_bytes);
  FIELD(inf_memory_desc, cached_bytes);
  FIELD(inf_memory_desc, peak_bytes);
  FIELD(inf_memory_desc, limit_bytes);
  STRUCT(inf_model_desc);
  FIELD(inf_model_desc, struct_size);
  FIELD(inf_model_desc, device);
  FIELD(inf_model_desc, architecture);
  FIELD(inf_model_desc, format);
  FIELD(inf_model_desc, quantization);
  FIELD(inf_model_desc, path);
  FIELD(inf_model_desc, parameters);
  FIELD(inf_model_desc, weight_bytes);
  FIELD(inf_model_desc, decode_bytes_per_token);
  FIELD(inf_model_desc, kv_bytes_per_token);
  FIELD(inf_model_desc, vocab_size);
  FIELD(inf_model_desc, num_layers);
  FIELD(inf_model_desc, hidden_size);
  FIELD(inf_model_desc, num_attention_heads);
  FIELD(inf_model_desc, num_key_value_heads);
  FIELD(inf_model_desc, head_dim);
  FIELD(inf_model_desc, intermediate_size);
  FIELD(inf_model_desc, context_length);
  FIELD(inf_model_desc, quant_bits);
  FIELD(inf_model_desc, quant_group);
  STRUCT(inf_session_options);
  FIELD(inf_session_options, struct_size);
  FIELD(inf_session_options, reserved);
  FIELD(inf_session_options, capacity);
  STRUCT(inf_sampling);
  FIELD(inf_sampling, struct_size);
  FIELD(inf_sampling, flags);
  FIELD(inf_sampling, max_tokens);
  FIELD(inf_sampling, top_k);
  FIELD(inf_sampling, temperature);
  FIELD(inf_sampling, top_p);
  FIELD(inf_sampling, min_p);
  FIELD(inf_sampling, repeat_penalty);
  FIELD(inf_sampling, seed);
  STRUCT(inf_result);
  FIELD(inf_result, struct_size);
  FIELD(inf_result, finish);
  FIELD(inf_result, prompt_tokens);
  FIELD(inf_result, cached_tokens);
  FIELD(inf_result, generated_tokens);
  FIELD(inf_result, prefill_ns);
  FIELD(inf_result, decode_ns);
  FIELD(inf_result, total_ns);
  FIELD(inf_result, active_bytes);
  FIELD(inf_result, peak_bytes);
  FIELD(inf_result, prefill_tok_s);
  FIELD(inf_result, decode_tok_s);
  STRUCT(inf_metrics);
  FIELD(inf_metrics, struct_size);
  FIELD(inf_metrics, reserved);
  FIELD(inf_metrics, requests);
  FIELD(inf_metrics, prompt_tokens);
  FIELD(inf_metrics, generated_tokens);
  FIELD(inf_metrics, prefill_ns);
  FIELD(inf_metrics, decode_ns);
  FIELD(inf_metrics, kv_bytes);
  return 0;
}
