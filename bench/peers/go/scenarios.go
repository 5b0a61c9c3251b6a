// Goroutines with WaitGroups, contexts, mutexes and channels: no other structure, as Go has none.
package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	batch      = 1000
	contenders = 100
	limit      = 10
	workers    = 10
)

func ready(i int) int { return i }

func stepped(i int) int {
	runtime.Gosched()
	return i
}

func sum(values []int) (total int) {
	for _, value := range values {
		total += value
	}
	return total
}

// The numbers below n dealt out to so many hands.
func deal(n, hands int, give func(from, to int)) {
	for hand := 0; hand < hands; hand++ {
		give(n*hand/hands, n*(hand+1)/hands)
	}
}

func atOnce(task func(int) int) func(int, *span) int {
	return func(n int, _ *span) int {
		results := make([]int, n)
		var group sync.WaitGroup
		group.Add(n)
		for i := 0; i < n; i++ {
			go func(i int) {
				defer group.Done()
				results[i] = task(i)
			}(i)
		}
		group.Wait()
		return sum(results)
	}
}

func spawnOne(n int, _ *span) (total int) {
	for i := 0; i < n; i++ {
		result := make(chan int, 1)
		go func(i int) { result <- stepped(i) }(i)
		total += <-result
	}
	return total
}

func groupOpen(n int, _ *span) (total int) {
	for i := 0; i < n; i++ {
		var group sync.WaitGroup
		group.Add(1)
		go func(i int) {
			defer group.Done()
			total += stepped(i)
		}(i)
		group.Wait()
	}
	return total
}

func tree(from, to int) int {
	if to-from == 1 {
		return stepped(from)
	}
	middle := (from + to) / 2
	var left, right int
	var group sync.WaitGroup
	group.Add(2)
	go func() {
		defer group.Done()
		left = tree(from, middle)
	}()
	go func() {
		defer group.Done()
		right = tree(middle, to)
	}()
	group.Wait()
	return left + right
}

func chain(from, to int) int {
	value := stepped(from)
	if to-from == 1 {
		return value
	}
	result := make(chan int, 1)
	go func() { result <- chain(from+1, to) }()
	return value + <-result
}

func chains(n int, _ *span) (total int) {
	for first := 0; first < n; first += batch {
		total += chain(first, first+batch)
	}
	return total
}

func sleepers(n int, s *span) int {
	var total int64
	var group sync.WaitGroup
	group.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			defer group.Done()
			time.Sleep(time.Duration(50+i%101) * time.Millisecond)
			atomic.AddInt64(&total, int64(i))
		}(i)
	}
	s.look()
	group.Wait()
	return int(total)
}

func cancel(n int, s *span) int {
	var started, ended int64
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			defer group.Done()
			defer atomic.AddInt64(&ended, 1)
			atomic.AddInt64(&started, 1)
			<-ctx.Done()
		}()
	}
	for atomic.LoadInt64(&started) < int64(n) {
		time.Sleep(10 * time.Millisecond)
	}
	s.begin()
	stop()
	group.Wait()
	return int(ended)
}

func timeout(n int, _ *span) (total int) {
	for i := 0; i < n; i++ {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		result := make(chan int, 1)
		go func(i int) { result <- stepped(i) }(i)
		select {
		case value := <-result:
			total += value
		case <-ctx.Done():
			panic(ctx.Err())
		}
		stop()
	}
	return total
}

func mutex(n int, _ *span) (total int) {
	var lock sync.Mutex
	for i := 0; i < n; i++ {
		lock.Lock()
		total += i
		lock.Unlock()
	}
	return total
}

func mutexContended(n int, _ *span) (total int) {
	var lock sync.Mutex
	var group sync.WaitGroup
	group.Add(contenders)
	deal(n, contenders, func(from, to int) {
		go func() {
			defer group.Done()
			for i := from; i < to; i++ {
				lock.Lock()
				total += stepped(i)
				lock.Unlock()
			}
		}()
	})
	group.Wait()
	return total
}

func limiter(n int, _ *span) int {
	permits := make(chan struct{}, limit)
	return atOnce(func(i int) int {
		permits <- struct{}{}
		defer func() { <-permits }()
		return stepped(i)
	})(n, nil)
}

func mapRange(n int, _ *span) int {
	results := make([]int, n)
	next := int64(-1)
	var group sync.WaitGroup
	group.Add(limit)
	for worker := 0; worker < limit; worker++ {
		go func() {
			defer group.Done()
			for i := int(atomic.AddInt64(&next, 1)); i < n; i = int(atomic.AddInt64(&next, 1)) {
				results[i] = stepped(i)
			}
		}()
	}
	group.Wait()
	return sum(results)
}

func handOver(capacity, sides int) func(int, *span) int {
	return func(n int, _ *span) int {
		items := make(chan int, capacity)
		sums := make(chan int, sides)
		var producers sync.WaitGroup
		producers.Add(sides)
		for side := 0; side < sides; side++ {
			go func() {
				part := 0
				for item := range items {
					part += item
				}
				sums <- part
			}()
		}
		deal(n, sides, func(from, to int) {
			go func() {
				defer producers.Done()
				for i := from; i < to; i++ {
					items <- i
				}
			}()
		})
		producers.Wait()
		close(items)
		total := 0
		for side := 0; side < sides; side++ {
			total += <-sums
		}
		return total
	}
}

func receiveEither(n int, _ *span) (total int) {
	channels := [2]chan int{make(chan int, 100), make(chan int, 100)}
	side := 0
	deal(n, 2, func(from, to int) {
		channel := channels[side]
		side++
		go func() {
			for i := from; i < to; i++ {
				channel <- i
			}
		}()
	})
	for i := 0; i < n; i++ {
		select {
		case item := <-channels[0]:
			total += item
		case item := <-channels[1]:
			total += item
		}
	}
	return total
}

var scenarios = map[string]func(n int, s *span) int{
	"spawn-ready":           atOnce(ready),
	"spawn-ready-million":   atOnce(ready),
	"spawn-suspend":         atOnce(stepped),
	"spawn-suspend-million": atOnce(stepped),
	"spawn-one":             spawnOne,
	"group-open":            groupOpen,
	"tree":                  func(n int, _ *span) int { return tree(0, n) },
	"chain":                 chains,
	"sleepers":              sleepers,
	"sleepers-million":      sleepers,
	"cancel":                cancel,
	"timeout":               timeout,
	"mutex":                 mutex,
	"mutex-contended":       mutexContended,
	"limiter":               limiter,
	"limiter-million":       limiter,
	"map-range":             mapRange,
	"channel-0":             handOver(0, 1),
	"channel-1":             handOver(1, 1),
	"channel-100":           handOver(100, 1),
	"channel-10x10-0":       handOver(0, workers),
	"channel-10x10-1":       handOver(1, workers),
	"channel-10x10-100":     handOver(100, workers),
	"select":                receiveEither,
	"tcp-echo":              tcpEcho,
}
