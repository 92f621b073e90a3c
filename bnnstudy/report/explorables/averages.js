// A filter is the list of its averages' rates: [1] changes nothing, [alpha] is of first order.
const average = (rate, inputs) => {
  let state = 0;
  return inputs.map((input) => (state = (1 - rate) * state + rate * input));
};
const filtered = (rates, inputs) => rates.reduce((signal, rate) => average(rate, signal), inputs);
