package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sluice/examples/embed/go/core"
)

// hexBytes are bytes that stand as hex digits in JSON.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*b = decoded
	return err
}

// area is a place in linear memory and the bytes that come or are there.
type area struct {
	At  uint32   `json:"at"`
	Hex hexBytes `json:"hex"`
}

// step is one of a write, a read and a call.
type step struct {
	Write   *area   `json:"write"`
	Read    *area   `json:"read"`
	Call    string  `json:"call"`
	Args    []int64 `json:"args"`
	Returns *uint32 `json:"returns"`
}

type vectorCase struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

// vectorFile is a file of vectors, or of a throughput loop.
type vectorFile struct {
	ABIVersion uint32       `json:"abiVersion"`
	Pages      uint32       `json:"pages"`
	Setup      []step       `json:"setup"`
	Cases      []vectorCase `json:"cases"`
	Loop       *loop        `json:"loop"`
}

// loop is what a throughput file repeats: the steps of one turn, which takes so
// many packets or queries.
type loop struct {
	Steps []step `json:"steps"`
	Items int    `json:"items"`
}

// loadVectors reads a file and refuses it if it was made for another ABI.
func loadVectors(path string, abiVersion uint32) (*vectorFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is not a vector file: %w", path, err)
	}
	if file.Pages == 0 || (len(file.Cases) == 0 && file.Loop == nil) {
		return nil, fmt.Errorf("%s is not a vector file", path)
	}
	if file.ABIVersion != abiVersion {
		return nil, fmt.Errorf("%s is for ABI %d, the module speaks ABI %d",
			path, file.ABIVersion, abiVersion)
	}
	return &file, nil
}

// outcome is what became of the cases of some files.
type outcome struct {
	passed, total int
	failures      []string
}

// runVectors runs all files of a folder, each on a fresh instance.
func runVectors(ctx context.Context, module *core.Module, folder string, abiVersion uint32) (outcome, error) {
	var all outcome
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return all, err
	}
	if len(paths) == 0 {
		return all, fmt.Errorf("there are no vectors in %s", folder)
	}
	for _, path := range paths {
		file, err := loadVectors(path, abiVersion)
		if err != nil {
			return all, err
		}
		if err := all.run(ctx, module, filepath.Base(path), file); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (o *outcome) run(ctx context.Context, module *core.Module, name string, file *vectorFile) (err error) {
	c, err := module.New(ctx, file.Pages)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()

	o.total += len(file.Cases)
	if wrong := takeAll(ctx, c, file.Setup); wrong != nil {
		o.failures = append(o.failures, fmt.Sprintf("%s setup: %v", name, wrong))
		return nil
	}
	for _, vector := range file.Cases {
		if wrong := takeAll(ctx, c, vector.Steps); wrong != nil {
			o.failures = append(o.failures, fmt.Sprintf("%s case %s: %v", name, vector.Name, wrong))
			continue
		}
		o.passed++
	}
	return nil
}

// takeAll takes steps in order; the error is the first disagreement.
func takeAll(ctx context.Context, c *core.Core, steps []step) error {
	for i := range steps {
		if err := steps[i].take(ctx, c); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// take does what the step says; the error is what disagreed.
func (s *step) take(ctx context.Context, c *core.Core) error {
	switch {
	case s.Write != nil:
		if !c.Memory().Write(s.Write.At, s.Write.Hex) {
			return fmt.Errorf("memory ends before %d", int(s.Write.At)+len(s.Write.Hex))
		}
		return nil
	case s.Read != nil:
		return compare(c, s.Read)
	case s.Call != "":
		return s.call(ctx, c)
	}
	return errors.New("neither write, read nor call")
}

func (s *step) call(ctx context.Context, c *core.Core) error {
	result, err := c.Call(ctx, s.Call, s.Args...)
	switch {
	case errors.Is(err, core.ErrNoExport):
		return fmt.Errorf("the module exports no %s", s.Call)
	case errors.Is(err, core.ErrArguments):
		return fmt.Errorf("%s: %w", s.Call, err)
	case err != nil:
		return fmt.Errorf("%s trapped: %w", s.Call, err)
	case s.Returns != nil && *s.Returns != result:
		return fmt.Errorf("%s returned %d, expected %d", s.Call, result, *s.Returns)
	}
	return nil
}

func compare(c *core.Core, expected *area) error {
	found, ok := c.Memory().Read(expected.At, uint32(len(expected.Hex)))
	if !ok {
		return fmt.Errorf("memory ends before %d", int(expected.At)+len(expected.Hex))
	}
	if bytes.Equal(found, expected.Hex) {
		return nil
	}
	first := 0
	for found[first] == expected.Hex[first] {
		first++
	}
	return fmt.Errorf("byte %d is %02x, expected %02x",
		int(expected.At)+first, found[first], expected.Hex[first])
}
