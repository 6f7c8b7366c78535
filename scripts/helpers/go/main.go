// The three layers by hand: an example of an adapter, and the test of the helper.
package main

import (
	"math"

	"rnn-spec/helper/rnnspec"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// affine is W x + b for each row of x.
func affine(x, w rnnspec.Tensor, b []float64) rnnspec.Tensor {
	size, features := w.Shape[0], w.Shape[1]
	rows := 1
	for _, extent := range x.Shape[:len(x.Shape)-1] {
		rows *= extent
	}
	data := make([]float64, rows*size)
	for row := 0; row < rows; row++ {
		for k := 0; k < size; k++ {
			sum := 0.0
			if b != nil {
				sum = b[k]
			}
			for i := 0; i < features; i++ {
				sum += w.Data[k*features+i] * x.Data[row*features+i]
			}
			data[row*size+k] = sum
		}
	}
	return rnnspec.Tensor{Shape: append(append([]int{}, x.Shape[:len(x.Shape)-1]...), size), Data: data}
}

func layer(kind string, x rnnspec.Tensor, state []rnnspec.Tensor, w rnnspec.Weights) ([]rnnspec.Tensor, error) {
	length, batch, size := x.Shape[0], x.Shape[1], w.Size
	count := map[string]int{"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
	h := append([]float64{}, state[0].Data...)
	var c, output []float64
	if kind == "LSTM" {
		c = append(c, state[1].Data...)
	}
	for t := 0; t < length; t++ {
		a := affine(x.At(t), w.IH, w.BIH).Data
		b := affine(rnnspec.Tensor{Shape: []int{batch, size}, Data: h}, w.HH, w.BHH).Data
		for n := 0; n < batch; n++ {
			for k := 0; k < size; k++ {
				at := func(gate int) int { return (n*count+gate)*size + k }
				sum := func(gate int) float64 { return a[at(gate)] + b[at(gate)] }
				i := n*size + k
				switch {
				case kind == "GRU":
					r, z := sigmoid(sum(0)), sigmoid(sum(1))
					h[i] = (1-z)*math.Tanh(a[at(2)]+r*b[at(2)]) + z*h[i]
				case kind == "LSTM":
					c[i] = sigmoid(sum(1))*c[i] + sigmoid(sum(0))*math.Tanh(sum(2))
					h[i] = sigmoid(sum(3)) * math.Tanh(c[i])
				case w.Relu && !(sum(0) < 0):
					h[i] = sum(0)
				case w.Relu:
					h[i] = 0
				default:
					h[i] = math.Tanh(sum(0))
				}
			}
		}
		output = append(output, h...)
	}
	results := []rnnspec.Tensor{{Shape: []int{length, batch, size}, Data: output}, {Shape: []int{batch, size}, Data: h}}
	if kind == "LSTM" {
		results = append(results, rnnspec.Tensor{Shape: []int{batch, size}, Data: c})
	}
	return results, nil
}

func linear(x, weight rnnspec.Tensor, bias []float64) (rnnspec.Tensor, error) {
	return affine(x, weight, bias), nil
}

func main() {
	rnnspec.Run(rnnspec.Adapter{Name: "plain Go", Float64: true, Layer: layer, Linear: linear})
}
