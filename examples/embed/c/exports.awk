# From the header that wasm2c wrote, a table of the exports that can be called by name: what a vector
# has is a name and whole numbers, what C wants is a function and types.
#
#   u32 Z_coreZ_checksum(Z_core_instance_t*, u32, u32);
#
# becomes a function of an array of numbers and a line of `core_exports`.

/^[a-z0-9]+ Z_coreZ_/ {
  result = $1
  name = $2
  sub(/^Z_coreZ_/, "", name)
  sub(/\(.*/, "", name)
  # Behind the instance: the types of the parameters.
  types = $0
  sub(/^[^,)]*[,)] */, "", types)
  sub(/\);.*/, "", types)
  count = split(types, type, /, */)
  if (types == ";") count = 0

  arguments = "core"
  for (i = 1; i <= count; i++) arguments = arguments sprintf(", (%s)args[%d]", type[i], i - 1)
  call = "Z_coreZ_" name "(" arguments ")"
  printf "static u32 call_%s(Z_core_instance_t* core, const int64_t* args) {\n", name
  if (count == 0) print "  (void)args;"
  print result == "void" ? "  " call ";\n  return 0;\n}" : "  return " call ";\n}"
  lines = lines sprintf("    {\"%s\", call_%s, %d, %s},\n", name, name, count,
                        result == "void" ? "false" : "true")
}

END { printf "static const struct core_export core_exports[] = {\n%s};\n", lines }
