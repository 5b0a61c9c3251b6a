/** Numbers that look random and are the same in every run: the function gives whole numbers from 0 to `below - 1`. */
export function randomFrom(seed: number): (below: number) => number {
  // scattered, since the first numbers of neighbouring seeds would be neighbours
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
