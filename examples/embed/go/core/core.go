// Package core loads the Sluice core, lends it memory and calls it, through wazero.
package core

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// MinPages is how many pages of 64 KiB the module asks for at least.
const MinPages = 32

// What a call fails for before it is made.
var (
	ErrNoExport  = errors.New("no such export")
	ErrArguments = errors.New("wrong number of arguments")
)

// A Module is core.wasm, compiled once; any number of Cores share the code.
type Module struct {
	runtime wazero.Runtime
	code    wazero.CompiledModule
}

// Compile translates core.wasm to machine code. The release module uses SIMD and
// the loads and stores of the threads proposal; it starts no threads.
func Compile(ctx context.Context, wasm []byte) (*Module, error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	code, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		return nil, errors.Join(err, runtime.Close(ctx))
	}
	return &Module{runtime, code}, nil
}

// Close frees the code and every Core made of it.
func (m *Module) Close(ctx context.Context) error { return m.runtime.Close(ctx) }

// A Core is one instance over one linear memory. It is not safe for concurrent
// use: have one per goroutine.
type Core struct {
	env, instance api.Module
	functions     map[string]function
}

type function struct {
	api.Function
	isFloat []bool
	stack   []uint64
	returns bool
}

// New makes an instance with a memory of exactly the given pages, which never
// moves and never grows.
func (m *Module) New(ctx context.Context, pages uint32) (*Core, error) {
	// The module imports env.memory. Host modules of wazero cannot export one,
	// but a module of a dozen bytes can, and answers for "env" in this one call.
	anonymous := wazero.NewModuleConfig().WithName("")
	env, err := m.runtime.InstantiateWithConfig(ctx, memoryModule(pages), anonymous)
	if err != nil {
		return nil, fmt.Errorf("memory of %d pages: %w", pages, err)
	}
	withEnv := experimental.WithImportResolver(ctx, func(string) api.Module { return env })
	instance, err := m.runtime.InstantiateModule(withEnv, m.code, anonymous)
	if err != nil {
		return nil, errors.Join(err, env.Close(ctx))
	}
	c := &Core{env, instance, make(map[string]function)}
	for name := range instance.ExportedFunctionDefinitions() {
		c.functions[name] = bind(instance.ExportedFunction(name))
	}
	return c, nil
}

func bind(exported api.Function) function {
	params := exported.Definition().ParamTypes()
	f := function{
		Function: exported,
		isFloat:  make([]bool, len(params)),
		stack:    make([]uint64, max(len(params), 1)),
		returns:  len(exported.Definition().ResultTypes()) > 0,
	}
	for i, param := range params {
		f.isFloat[i] = param == api.ValueTypeF64
	}
	return f
}

// Close frees the instance and its memory.
func (c *Core) Close(ctx context.Context) error {
	return errors.Join(c.instance.Close(ctx), c.env.Close(ctx))
}

// Call calls an export. Addresses and counts are u32, times are whole
// milliseconds; a function that returns nothing gives 0. An error other than
// ErrNoExport and ErrArguments is a trap.
func (c *Core) Call(ctx context.Context, name string, args ...int64) (uint32, error) {
	f, ok := c.functions[name]
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrNoExport, name)
	}
	if len(args) != len(f.isFloat) {
		return 0, fmt.Errorf("%w: %d, not %d", ErrArguments, len(f.isFloat), len(args))
	}
	for i, arg := range args {
		if f.isFloat[i] {
			f.stack[i] = api.EncodeF64(float64(arg))
		} else {
			f.stack[i] = api.EncodeU32(uint32(arg))
		}
	}
	if err := f.CallWithStack(ctx, f.stack); err != nil {
		return 0, firstLine(err)
	}
	if !f.returns {
		return 0, nil
	}
	return api.DecodeU32(f.stack[0]), nil
}

// Memory is the linear memory; it stays valid until Close.
func (c *Core) Memory() api.Memory { return c.env.Memory() }

// firstLine leaves out the stack trace of a trap.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}
