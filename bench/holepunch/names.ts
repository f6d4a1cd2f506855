/** How the hole punching figures are called in results. */
export const HOLEPUNCH = 'holepunch'
/** The program of conformance/native. */
export const NATIVE = 'native iroh'
