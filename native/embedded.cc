/** The compiled BPF programs that travel inside the addon. */
#include "bpf/embedded.h"

#include <cstring>
#include <iterator>

#include "addon.h"

#if __has_include("bpf/generated/all.h")
#include "bpf/generated/all.h"
#define SLUICE_HAS_PROGRAMS 1
#endif

namespace sluice {
namespace {

#ifdef SLUICE_HAS_PROGRAMS
Napi::Object Program(Napi::Env env, const EmbeddedProgram& program) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", Napi::String::New(env, program.name));
  out.Set("type", Napi::Number::New(env, program.type));
  out.Set("attachType", Napi::Number::New(env, program.attach_type));
  Napi::Uint8Array insns = Napi::Uint8Array::New(env, program.insns_len);
  memcpy(insns.Data(), program.insns, program.insns_len);
  out.Set("insns", insns);
  Napi::Array relocations = Napi::Array::New(env, program.reloc_count);
  for (uint32_t i = 0; i < program.reloc_count; i++) {
    Napi::Object relocation = Napi::Object::New(env);
    relocation.Set("insn", Napi::Number::New(env, program.relocs[i].insn));
    relocation.Set("map", Napi::String::New(env, program.relocs[i].map));
    relocations.Set(i, relocation);
  }
  out.Set("relocations", relocations);
  return out;
}
#endif

}  // namespace

/** embeddedObjects(): every object with its programs; fresh copies each time. */
Napi::Value EmbeddedObjects(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array objects = Napi::Array::New(env);
#ifdef SLUICE_HAS_PROGRAMS
  uint32_t at = 0;
  for (const EmbeddedObject& object : kEmbeddedObjects) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("name", Napi::String::New(env, object.name));
    Napi::Array programs = Napi::Array::New(env, object.program_count);
    for (uint32_t i = 0; i < object.program_count; i++) {
      programs.Set(i, Program(env, object.programs[i]));
    }
    out.Set("programs", programs);
    objects.Set(at++, out);
  }
#endif
  return objects;
}

}  // namespace sluice
