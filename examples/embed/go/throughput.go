package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"sluice/examples/embed/go/core"
)

const (
	warmUp  = 200 * time.Millisecond
	measure = time.Second
)

// loopError is a turn of the loop that came out otherwise than its file says.
type loopError struct {
	file string
	err  error
}

func (e *loopError) Error() string { return fmt.Sprintf("throughput/%s: %v", e.file, e.err) }

// nsPerItem turns the loop of a throughput file for a second. What it takes to
// call into WebAssembly is part of the time, once a turn.
func nsPerItem(ctx context.Context, module *core.Module, path string, abiVersion uint32) (ns float64, err error) {
	file, err := loadVectors(path, abiVersion)
	if err != nil {
		return 0, err
	}
	if file.Loop == nil {
		return 0, fmt.Errorf("%s has no loop", path)
	}
	c, err := module.New(ctx, file.Pages)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()

	name := filepath.Base(path)
	if err := takeAll(ctx, c, file.Setup); err != nil {
		return 0, &loopError{name, fmt.Errorf("setup: %w", err)}
	}
	for _, duration := range []time.Duration{warmUp, measure} {
		if ns, err = turn(ctx, c, file.Loop.Steps, duration); err != nil {
			return 0, &loopError{name, err}
		}
	}
	return ns / float64(file.Loop.Items), nil
}

// turn repeats the steps for at least the given time: nanoseconds a turn.
func turn(ctx context.Context, c *core.Core, steps []step, atLeast time.Duration) (float64, error) {
	begin := time.Now()
	for turns := 1; ; turns++ {
		if err := takeAll(ctx, c, steps); err != nil {
			return 0, err
		}
		if elapsed := time.Since(begin); elapsed >= atLeast {
			return float64(elapsed.Nanoseconds()) / float64(turns), nil
		}
	}
}
